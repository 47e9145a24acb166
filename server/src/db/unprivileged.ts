import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { defineError } from "../lib/errors.ts";

/** Starts a program; the same shape as node's `spawn`. */
type Launch = (program: string, args: readonly string[], options: SpawnOptions) => ChildProcess;

/** The user that a program runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** How to start PostgreSQL's programs, and who owns their files (nobody else than we, where absent). */
export interface Launcher {
  readonly launch: Launch;
  readonly account?: Account;
}

// The number that systems use for "nobody": PostgreSQL asks for no entry in /etc/passwd.
const nobody: Account = { uid: 65534, gid: 65534 };

const unreachable = defineError(
  "unavailable",
  "database_unreachable",
  "PostgreSQL doesn't run as root, and as user {uid} it can't work with {postgres} and {dataDir}, not even through setpriv ({reason}): run this program as an ordinary user, or move it and its data to where others may enter",
);

/**
 * Finds a way to run PostgreSQL, which refuses to run as root: as ourselves where we are an ordinary
 * user, else as the owner of the cluster that is there, else as nobody.
 */
export async function chooseLauncher(options: {
  readonly postgres: string;
  readonly dataDir: string;
  readonly cluster: string;
}): Promise<Launcher> {
  if (process.geteuid?.() !== 0) return { launch: spawn };
  const account = await ownerOf(options.cluster);
  let reason = "";
  for (const launch of waysDown(account)) {
    const outcome = await probe(launch, options.postgres, options.dataDir);
    if (outcome === "ok") return { launch, account };
    reason = outcome;
  }
  throw unreachable({
    uid: account.uid,
    postgres: options.postgres,
    dataDir: options.dataDir,
    reason,
  });
}

async function ownerOf(path: string): Promise<Account> {
  const found = await stat(path).catch(() => undefined);
  return found && found.uid !== 0 ? { uid: found.uid, gid: found.gid } : nobody;
}

/** From the least power to the most: a container often has the last capability but not the one before. */
function waysDown(account: Account): Launch[] {
  return [
    (program, args, options) => spawn(program, args, { ...options, ...account }),
    withCapability(account, "dac_read_search"),
    withCapability(account, "dac_override"),
  ];
}

/**
 * A checkout below /root or a `mktemp -d` directory is closed to others. Rather than open what its
 * owner closed, we let PostgreSQL pass: as the other user, but with one capability of root's.
 */
function withCapability({ uid, gid }: Account, capability: string): Launch {
  const flags = [
    `--reuid=${uid}`,
    `--regid=${gid}`,
    "--clear-groups",
    `--inh-caps=+${capability}`,
    `--ambient-caps=+${capability}`,
    // PostgreSQL looks for its own programs with access(2), which ignores capabilities without this.
    "--securebits=+no_setuid_fixup",
    "--",
  ];
  return (program, args, options) => spawn("setpriv", [...flags, program, ...args], options);
}

/** Runs what PostgreSQL will need, rather than compute what the kernel would say. */
async function probe(launch: Launch, postgres: string, dataDir: string): Promise<string> {
  const script = '"$1" --version && test -x "$1" && test -x "$2"';
  let complaint = "";
  try {
    const child = launch("/bin/sh", ["-c", script, "sh", postgres, dataDir], {
      cwd: "/",
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (complaint += text));
    const [code] = (await once(child, "close")) as [number | null];
    return code === 0 ? "ok" : complaint.trim() || `exit code ${code}`;
  } catch (error) {
    return (error as Error).message;
  }
}

import { once } from "node:events";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "../lib/data-dir.ts";
import { defineError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { ensurePassword, type Layout, readPassword } from "./layout.ts";
import type { Account, Launcher } from "./unprivileged.ts";

const initFailed = defineError(
  "unavailable",
  "database_init_failed",
  "PostgreSQL could not make its files in {cluster}: {reason}",
);

const userUnknown = defineError(
  "unavailable",
  "database_user_unknown",
  "PostgreSQL makes its files only for a user who has a name: add an entry for user {uid} to /etc/passwd, or run this program as another user",
);

/** The name of PostgreSQL's superuser in a cluster of ours. */
export const superuser = "ents";

const draftPrefix = "postgres.new-";

/**
 * Sees to it that there is a complete cluster, and answers the password of its superuser. Safe when
 * killed at any moment, and when several processes do it at once: the first one's cluster stays.
 */
export async function prepareCluster(options: {
  readonly layout: Layout;
  readonly initdb: string;
  readonly launcher: Launcher;
  readonly log: Log;
}): Promise<string> {
  const { layout, launcher } = options;
  if (!(await isComplete(layout.cluster))) {
    await makeCluster({ ...options, password: await ensurePassword(layout) });
  }
  await removeDrafts(layout.root);
  if (launcher.account) await giveTree(layout.cluster, launcher.account);
  return readPassword(layout);
}

async function makeCluster(options: {
  readonly layout: Layout;
  readonly initdb: string;
  readonly launcher: Launcher;
  readonly log: Log;
  readonly password: string;
}): Promise<void> {
  const { layout, log } = options;
  const began_ms = performance.now();
  const draft = await fs.mkdtemp(join(layout.root, draftPrefix));
  try {
    const made = await runInitdb(draft, options);
    await fs.rename(made, layout.cluster).catch((error: Error) => {
      throw initFailed({ cluster: layout.cluster, reason: error.message });
    });
    await syncDirectory(layout.root);
    const ms = Math.round(performance.now() - began_ms);
    log.info({ directory: layout.cluster, ms }, "made a new database");
  } catch (error) {
    // Another process that was faster has put its cluster there, and perhaps cleared ours away.
    if (!(await isComplete(layout.cluster))) {
      await fs.rm(draft, { recursive: true, force: true });
      throw error;
    }
  }
}

async function runInitdb(
  draft: string,
  {
    initdb,
    launcher: { launch, account },
    password,
  }: { readonly initdb: string; readonly launcher: Launcher; readonly password: string },
): Promise<string> {
  const cluster = join(draft, "cluster");
  const passwordFile = join(draft, "password");
  await fs.writeFile(passwordFile, password, { mode: 0o600 });
  if (account) {
    await fs.chown(passwordFile, account.uid, account.gid);
    await fs.chown(draft, account.uid, account.gid);
  }
  const child = launch(initdb, initdbArguments(cluster, passwordFile), {
    cwd: "/",
    // Nothing of our environment: it may hold secrets, and PG* variables would steer PostgreSQL.
    env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaint = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  const [code] = (await once(child, "close").catch((error: Error) => [error.message])) as [unknown];
  if (code === 0) return cluster;
  const [, uid] = /could not look up effective user ID (\d+)/.exec(complaint) ?? [];
  throw uid
    ? userUnknown({ uid })
    : initFailed({ cluster, reason: complaint.trim() || String(code) });
}

function initdbArguments(cluster: string, passwordFile: string): string[] {
  return [
    `--pgdata=${cluster}`,
    `--username=${superuser}`,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    // Sorts by bytes, so that no update of a locale library can ever spoil an index.
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
  ];
}

async function isComplete(cluster: string): Promise<boolean> {
  return fs.stat(join(cluster, "PG_VERSION")).then(
    () => true,
    () => false,
  );
}

/** Files that root restored from a backup belong to root; PostgreSQL only takes its own. */
async function giveTree(directory: string, { uid, gid }: Account): Promise<void> {
  if ((await fs.stat(directory)).uid === uid) return;
  for (const entry of await fs.readdir(directory, { recursive: true })) {
    await fs.lchown(join(directory, entry), uid, gid);
  }
  await fs.chown(directory, uid, gid);
}

/** Clears away what killed starters left. Once there is a cluster, every draft is waste. */
async function removeDrafts(root: string): Promise<void> {
  for (const name of await fs.readdir(root)) {
    if (!name.startsWith(draftPrefix)) continue;
    // A slower process may still write there; whoever starts next clears up.
    await fs.rm(join(root, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { findBinaries } from "../../src/db/binaries.ts";
import { type EmbeddedDatabase, startEmbedded } from "../../src/db/embedded.ts";
import { isServerOf, readLockFile } from "../../src/db/postmaster.ts";
import { chooseLauncher } from "../../src/db/unprivileged.ts";
import { KnownError } from "../../src/lib/errors.ts";
import { readOrCreateSecret } from "../../src/lib/secret-file.ts";

// A new database takes a second, and several on a busy machine some more.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

const isRoot = process.geteuid?.() === 0;
const directories: string[] = [];
const databases: EmbeddedDatabase[] = [];
const children: ChildProcess[] = [];
const lines: string[] = [];
const note = (fields: object, message: string): void =>
  void lines.push(`${message} ${JSON.stringify(fields)}`);
const log = { debug: note, info: note, warn: note, error: note };

let template: string;

beforeAll(async () => {
  template = await mkdtemp(join(tmpdir(), "embedded-"));
  await chmod(template, 0o755);
  await (await startEmbedded({ dataDir: template, log })).stop();
});

afterAll(() => discard(template));

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await Promise.all(databases.splice(0).map((database) => database.stop()));
  for (const directory of directories.splice(0)) await discard(directory);
  lines.length = 0;
});

describe("startEmbedded", () => {
  it("makes a database, and finds what is in it the next time, at the same address", async () => {
    const dataDir = await emptyDirectory();
    const first = await start(dataDir);
    await query(first, "create table kept as select 42 as answer");
    await first.stop();
    expect(await serverOf(dataDir)).toBeUndefined();

    const second = await start(dataDir);
    expect(second.url).toBe(first.url);
    expect(await query(second, "select answer from kept")).toEqual([{ answer: 42 }]);
  });

  it("keeps to what it promises about durability, reach and order", async () => {
    const database = await start(await emptyDirectory());
    const names = [
      "fsync",
      "synchronous_commit",
      "full_page_writes",
      "data_checksums",
      "listen_addresses",
    ];
    const more = [
      "unix_socket_directories",
      "server_encoding",
      "TimeZone",
      "max_connections",
      "password_encryption",
    ];
    const rows = await query(
      database,
      "select name, setting from pg_settings where name = any($1)",
      [[...names, ...more]],
    );
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: "on",
      synchronous_commit: "on",
      full_page_writes: "on",
      data_checksums: "on",
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      server_encoding: "UTF8",
      TimeZone: "UTC",
      max_connections: "200",
      password_encryption: "scram-sha-256",
    });
    expect(
      await query(database, "select x from unnest(array['é', 'a', 'Z', 'b']) x order by x"),
    ).toEqual(["Z", "a", "b", "é"].map((x) => ({ x })));
  });

  it("shows its password to nobody", async () => {
    const dataDir = await emptyDirectory();
    const stopWatching = new AbortController();
    const commands = watchCommandLines(stopWatching.signal);
    const database = await start(dataDir);
    stopWatching.abort();

    const { password } = new URL(database.url);
    expect(password.length).toBeGreaterThanOrEqual(22); // 128 bits in base64
    expect((await stat(join(dataDir, "postgres.password"))).mode & 0o777).toBe(0o600);
    await query(database, "select no_such_column").catch(() => undefined);
    await query(database, "do $$ begin raise log 'noted'; end $$");
    const told = [
      await commands,
      await readFile(join(dataDir, "postgres.log"), "utf8"),
      ...lines,
    ].join("\n");
    expect(told).toContain("noted");
    expect(told).not.toContain("no_such_column");
    expect(told).toContain(`-D ${dataDir}`);
    expect(told).not.toContain(password);
    await expect(
      query({ url: database.url.replace(password, "guess") }, "select 1"),
    ).rejects.toThrow(/password/);
  });

  it("lets its process end after stop, without being told to", async () => {
    const child = runChild(
      await directoryInUse(),
      "await database.stop(); console.log('stopped');",
    );
    const [code] = (await once(child, "exit")) as [number | null];
    expect(code).toBe(0);
  });
});

describe("several processes on one directory", () => {
  it("start it at the same moment: all are connected to one server", async () => {
    const dataDir = await emptyDirectory();
    const all = [runChild(dataDir), runChild(dataDir), runChild(dataDir)];
    const reports = await Promise.all(all.map(report));
    expect(new Set(reports.map(({ url }) => url)).size).toBe(1);
    expect(await readdir(dataDir)).toEqual(
      expect.not.arrayContaining([expect.stringMatching(/postgres\.(new-|password\.)/)]),
    );
  });

  it.each(["first", "second"])(
    "leave the server to each other: the %s goes, the other stays",
    async (leaver) => {
      const dataDir = await directoryInUse();
      const [first, second] = [await start(dataDir), await start(dataDir)];
      const [leaves, stays] = leaver === "first" ? [first, second] : [second, first];
      const pid = await serverOf(dataDir);
      await leaves.stop();
      expect(await query(stays, "select 1 as one")).toEqual([{ one: 1 }]);
      expect(await serverOf(dataDir)).toBe(pid);
      await stays.stop();
      expect(await serverOf(dataDir)).toBeUndefined();
    },
  );

  it("stop the server when all leave at once", async () => {
    const dataDir = await directoryInUse();
    const all = await Promise.all([start(dataDir), start(dataDir), start(dataDir)]);
    await Promise.all(all.map((database) => database.stop()));
    expect(await serverOf(dataDir)).toBeUndefined();
  });

  it("adopt the server of one that was killed, and stop it at their end", async () => {
    const dataDir = await directoryInUse();
    const child = runChild(dataDir);
    await report(child);
    const pid = await serverOf(dataDir);
    child.kill("SIGKILL");
    await once(child, "exit");

    const heir = await start(dataDir);
    expect(await serverOf(dataDir)).toBe(pid);
    await heir.stop();
    expect(await serverOf(dataDir)).toBeUndefined();
  });
});

describe("after a crash", () => {
  it("gets its server back at the same address, with all that was committed", async () => {
    const dataDir = await directoryInUse();
    const database = await start(dataDir);
    await query(database, "create table kept as select 42 as answer");
    const killed = await killServer(dataDir);
    await until("the server to be back", () =>
      query(database, "select 1").then(Boolean, () => false),
    );
    expect(await serverOf(dataDir)).not.toBe(killed);
    expect(await query(database, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect(lines.join("\n")).toContain("bringing it back");
  });

  it("can be stopped in the middle of the restart", async () => {
    const dataDir = await directoryInUse();
    const database = await start(dataDir);
    await killServer(dataDir);
    await until("the loss to be noticed", () =>
      lines.some((line) => line.includes("bringing it back")),
    );
    await database.stop();
    expect(await serverOf(dataDir)).toBeUndefined();
  });

  it("begins anew when it was killed while it made the database", async () => {
    const dataDir = await emptyDirectory();
    const child = runChild(dataDir);
    await until("initdb to be at work", async () => {
      const [draft] = (await readdir(dataDir)).filter((name) => name.startsWith("postgres.new-"));
      return draft !== undefined && (await exists(join(dataDir, draft, "cluster", "PG_VERSION")));
    });
    process.kill(-child.pid!, "SIGKILL"); // with its initdb
    await once(child, "exit");
    expect(await exists(join(dataDir, "postgres"))).toBe(false);

    const database = await start(dataDir);
    expect(await query(database, "select 1 as one")).toEqual([{ one: 1 }]);
    expect((await readdir(dataDir)).filter((name) => name.startsWith("postgres.new-"))).toEqual([]);
  });

  it("isn't misled by a lock file that names some other living process", async () => {
    const dataDir = await directoryInUse();
    const child = runChild(dataDir);
    await report(child);
    child.kill("SIGKILL");
    await once(child, "exit");
    await killServer(dataDir);
    const { launch } = await launcherFor(dataDir);
    const stranger = launch("sleep", ["60"], { stdio: "ignore" });
    children.push(stranger);
    const lockFile = join(dataDir, "postgres", "postmaster.pid");
    await writeFile(
      lockFile,
      (await readFile(lockFile, "utf8")).replace(/^\d+/, String(stranger.pid)),
    );

    const database = await start(dataDir);
    expect(await query(database, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(stranger.exitCode).toBeNull();
  });

  it("says what is wrong when the server can't start at all, at once", async () => {
    const dataDir = await directoryInUse();
    await writeFile(join(dataDir, "postgres", "PG_VERSION"), "9.4\n");
    await expect(start(dataDir)).rejects.toThrow(/database files are incompatible with server/);
  });

  it("doesn't make a new password for an old database", async () => {
    const dataDir = await directoryInUse();
    await rm(join(dataDir, "postgres.password"));
    await expect(start(dataDir)).rejects.toThrow(/password file .* is gone/);
  });
});

describe("a data directory that can't be used", () => {
  it.each([
    ["is a file", "file", "EEXIST"],
    ["lies below a file", "file/data", "EEXIST"],
    ["is a link to nowhere", "link", "EEXIST"],
    ["lies where none can be made", "/proc/data", ""],
    ["lies far below such a place", "/proc/data/of/ours", ""],
  ])("that %s is named in one sentence", async (_, path, code) => {
    const directory = await emptyDirectory();
    await writeFile(join(directory, "file"), "");
    await symlink(join(directory, "nowhere", "else"), join(directory, "link"));
    await expectUnusable(resolve(directory, path), code);
  });

  it.skipIf(isRoot)("that is closed to us is named too", async () => {
    const directory = await emptyDirectory();
    await chmod(directory, 0o555);
    for (const path of [directory, join(directory, "data")]) await expectUnusable(path, "EACCES");
  });
});

describe.skipIf(!isRoot)("as root", () => {
  it("works in a directory that others may not enter, and leaves it closed", async () => {
    const closed = await emptyDirectory();
    await chmod(closed, 0o700);
    const dataDir = join(closed, "data");
    const first = await start(dataDir);
    await query(first, "create table kept as select 42 as answer");
    await first.stop();
    const database = await start(dataDir);
    expect(await query(database, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect((await stat(closed)).mode & 0o777).toBe(0o700);
    expect((await stat(closed)).uid).toBe(0);
    expect(await userOf(await serverOf(dataDir))).toBe(65534);
  });

  it("runs the server as the owner of the database, so that this one can use it later", async () => {
    const dataDir = await directoryInUse();
    await promisify(execFile)("chown", ["-R", "12345:12345", join(dataDir, "postgres")]);
    await start(dataDir);
    expect(await userOf(await serverOf(dataDir))).toBe(12345);
  });

  it("takes over a database that was restored as root's", async () => {
    const dataDir = await directoryInUse();
    await promisify(execFile)("chown", ["-R", "0:0", join(dataDir, "postgres")]);
    const database = await start(dataDir);
    expect(await query(database, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  it("tells the way out when there is no way to run the server", async () => {
    const closed = await emptyDirectory();
    await chmod(closed, 0o700);
    const inside = join(closed, "data");
    await mkdir(inside);
    await chown(inside, 65534, 65534);
    const path = process.env["PATH"];
    process.env["PATH"] = "/nowhere";
    try {
      await expect(launcherFor(inside)).rejects.toThrow(/as an ordinary user/);
    } finally {
      process.env["PATH"] = path;
    }
  });
});

async function expectUnusable(dataDir: string, code: string): Promise<void> {
  const secret = readOrCreateSecret(join(dataDir, "jwt.secret"));
  for (const outcome of await Promise.allSettled([startEmbedded({ dataDir, log }), secret])) {
    const { reason } = outcome as PromiseRejectedResult;
    expect(reason).toBeInstanceOf(KnownError);
    expect(reason.message).toMatch(
      `the data directory ${dataDir} can't be made or written (${code}`,
    );
    expect(reason.message).toContain("DATA_DIR");
  }
}

async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "embedded-"));
  directories.push(directory);
  await chmod(directory, 0o755);
  return directory;
}

/** A directory as an earlier start left it; copied from one of them, for to make each takes its time. */
async function directoryInUse(): Promise<string> {
  const directory = await emptyDirectory();
  await promisify(execFile)("cp", [
    "-a",
    `${template}/postgres`,
    `${template}/postgres.password`,
    directory,
  ]);
  return directory;
}

async function start(dataDir: string): Promise<EmbeddedDatabase> {
  const database = await startEmbedded({ dataDir, log });
  databases.push(database);
  return database;
}

/** Runs `startEmbedded` in a process of its own, which reports and then does as told: by default it stays. */
function runChild(
  dataDir: string,
  then = "await new Promise(() => setInterval(() => {}, 1000));",
): ChildProcess {
  const script = `
    import { startEmbedded } from ${JSON.stringify(new URL("../../src/db/embedded.ts", import.meta.url).href)};
    const quiet = () => {};
    const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
    const database = await startEmbedded({ dataDir: process.argv[1], log });
    console.log(JSON.stringify({ url: database.url }));
    ${then}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script, dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  children.push(child);
  return child;
}

async function report(child: ChildProcess): Promise<{ url: string }> {
  const [text] = (await once(child.stdout!, "data")) as [Buffer];
  return JSON.parse(text.toString()) as { url: string };
}

async function query(
  { url }: { url: string },
  text: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text, values)).rows;
  } finally {
    await client.end();
  }
}

async function serverOf(dataDir: string): Promise<number | undefined> {
  const cluster = join(dataDir, "postgres");
  const lock = await readLockFile(cluster);
  return lock && (await isServerOf(lock.pid, cluster)) ? lock.pid : undefined;
}

async function killServer(dataDir: string): Promise<number> {
  const pid = await serverOf(dataDir);
  if (pid === undefined) throw new Error("no server runs");
  process.kill(pid, "SIGKILL");
  await until(
    "the server to be gone",
    async () => !(await isServerOf(pid, join(dataDir, "postgres"))),
  );
  return pid;
}

async function discard(directory: string): Promise<void> {
  for (const dataDir of [directory, join(directory, "data")]) {
    if ((await serverOf(dataDir)) !== undefined) await killServer(dataDir);
  }
  await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}

async function launcherFor(dataDir: string): ReturnType<typeof chooseLauncher> {
  const { postgres } = await findBinaries();
  return chooseLauncher({ postgres, dataDir, cluster: join(dataDir, "postgres") });
}

async function userOf(pid: number | undefined): Promise<number> {
  return (await stat(`/proc/${pid}`)).uid;
}

async function watchCommandLines(signal: AbortSignal): Promise<string> {
  const seen = new Set<string>();
  while (!signal.aborted) {
    const { stdout } = await promisify(execFile)("ps", ["-eww", "-o", "args="]);
    for (const line of stdout.split("\n")) seen.add(line);
  }
  return [...seen].join("\n");
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 15_000; !(await holds()); await sleep(5)) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
  }
}

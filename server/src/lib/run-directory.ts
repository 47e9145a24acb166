import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, lstat, mkdir, readdir, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { useDataDir } from "./data-dir.ts";
import { defineError } from "./errors.ts";

const notOurs = defineError(
  "unavailable",
  "run_directory_unsafe",
  "{directory} isn't a directory of this user alone: remove it, or set DATA_DIR to a shorter path",
);

/** What systems take as the path of a socket, less what we append. Source: unix(7), 104 bytes on macOS. */
const longest = 104 - "/65535-0123456789abcdef.sock".length - 1;

/**
 * Where the processes that serve one data directory meet: a socket each, named by the port that they share and by a
 * random name. A socket that can be connected to is a process that lives.
 */
export class RunDirectory {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @throws KnownError when it can't be made, or is someone else's */
  static async open(dataDir: string): Promise<RunDirectory> {
    const path = choosePath(dataDir);
    await useDataDir(dataDir, async () => await makePrivate(path));
    return new RunDirectory(path);
  }

  /** A name for a process that begins now. */
  static newName(): string {
    return randomBytes(8).toString("hex");
  }

  pathOf(port: number, name: string): string {
    return join(this.#path, `${port}-${name}.sock`);
  }

  /** Whether a process of this data directory serves a port; what dead ones have left is removed. */
  async serves(port: number): Promise<boolean> {
    const names = (await readdir(this.#path)).filter((name) => name.startsWith(`${port}-`));
    const lives = await Promise.all(names.map((name) => isAlive(join(this.#path, name))));
    return lives.includes(true);
  }
}

function choosePath(dataDir: string): string {
  const path = join(dataDir, "run");
  if (Buffer.byteLength(path) <= longest) return path;
  const digest = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  return join(tmpdir(), `ents-backend-${userInfo().uid}-${digest}`);
}

async function makePrivate(directory: string): Promise<void> {
  await mkdir(directory, { mode: 0o700, recursive: true });
  const found = await lstat(directory);
  if (!found.isDirectory() || found.uid !== userInfo().uid) throw notOurs({ directory });
  await chmod(directory, 0o700);
}

async function isAlive(path: string): Promise<boolean> {
  const socket = await reach(path);
  if (!socket) await rm(path, { force: true });
  socket?.destroy();
  return socket !== undefined;
}

/** A connection to what listens at a path. Undefined: nobody does. */
export async function reach(path: string): Promise<Socket | undefined> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return socket;
  } catch {
    return undefined;
  }
}

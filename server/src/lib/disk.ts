import { stat, statfs } from "node:fs/promises";
import { defineError } from "./errors.ts";

const diskFull = defineError(
  "unavailable",
  "disk_full",
  "{free} MB of this server's disk are free, and {kept} MB are kept for what arrives: delete results, files or backups that are not needed any more, or tell who runs it",
);

/** Of a disk this part is left free, and at most so much: a database whose disk is full takes nothing any more. */
const keptPart = 1 / 10;
const mostKept_bytes = 1024 ** 3;
/** How much is written between two looks: a fraction of what is kept, since a database writes twice what it is given. */
const betweenLooks_bytes = 4 * 1024 ** 2;

/**
 * Passes on what is to be written to a disk, for as long as that leaves free what others need.
 *
 * @throws KnownError (503) once it doesn't
 */
export async function* leaveRoom(
  pieces: AsyncIterable<Uint8Array>,
  directory: string | undefined,
): AsyncGenerator<Uint8Array> {
  const keepRoom = watchRoom(directory);
  for await (const piece of pieces) {
    await keepRoom(piece.length);
    yield piece;
  }
}

/** A directory where it is on the same disk as another one; else undefined. */
export async function onDiskOf(
  directory: string,
  other: string | undefined,
): Promise<string | undefined> {
  if (other === undefined) return undefined;
  const [its, others] = await Promise.all([stat(directory), stat(other)]);
  return its.dev === others.dev ? directory : undefined;
}

/** To be called before something is written to a disk. @throws KnownError (503) when there is no room for so many bytes */
export type KeepRoom = (bytes: number) => Promise<void>;

/**
 * Watches that a disk keeps free what others need.
 *
 * @param directory one that is on that disk; undefined: it is another machine's, and full is for that to say
 */
export function watchRoom(directory: string | undefined): KeepRoom {
  let unseen_bytes = Infinity;
  return async (bytes) => {
    if (directory !== undefined && unseen_bytes > betweenLooks_bytes) {
      await requireRoom(directory);
      unseen_bytes = 0;
    }
    unseen_bytes += bytes;
  };
}

async function requireRoom(directory: string): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(directory);
  const free_bytes = bavail * bsize;
  const kept_bytes = Math.min(blocks * bsize * keptPart, mostKept_bytes);
  if (free_bytes >= kept_bytes) return;
  throw diskFull({ free: toMegabytes(free_bytes), kept: toMegabytes(kept_bytes) });
}

/** Whole megabytes, of a million bytes each, the nearest ones. */
export function toMegabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

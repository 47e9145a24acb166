import { createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { syncDirectory } from "./data-dir.ts";
import { defineError } from "./errors.ts";
import { randomSecret } from "./secret.ts";

const fileExists = defineError(
  "conflict",
  "file_exists",
  "{path} is there already: take another name, or replace it with --force",
);
const notRegular = defineError(
  "invalid",
  "not_a_regular_file",
  "{path} is there and isn't a regular file: write to standard output (-) and redirect that",
);
const unwritable = defineError(
  "unavailable",
  "file_unwritable",
  "{path} can't be written ({reason}); what was written of it is removed",
);

/** What the system says when it doesn't take a file, or not all of it. Source: errno(3). */
const refusals = /^E(ACCES|PERM|ROFS|NOENT|NOTDIR|ISDIR|NAMETOOLONG|NOSPC|DQUOT|FBIG|IO|STALE)$/;

/**
 * Writes a file that is there as a whole, and on the disk, or not at all; for its owner alone.
 *
 * @param replace whether one of that name may be replaced
 * @throws KnownError when it is there and may not be, or the system doesn't take it
 */
export async function writeWhole(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  { replace }: { readonly replace: boolean },
): Promise<void> {
  await checkPlace(path, replace);
  const draft = `${path}.${randomSecret(6)}.part`;
  try {
    await pipeline(chunks, createWriteStream(draft, { flags: "wx", mode: 0o600, flush: true }));
    await checkPlace(path, replace);
    await rename(draft, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw unwritable({ path, reason: error.message });
  } finally {
    await rm(draft, { force: true });
  }
}

async function checkPlace(path: string, replace: boolean): Promise<void> {
  const there = await stat(path).catch(() => undefined);
  if (!there) return;
  if (!there.isFile()) throw notRegular({ path });
  if (!replace) throw fileExists({ path });
}

function isRefusal(error: unknown): error is Error {
  return error instanceof Error && "code" in error && refusals.test(String(error.code));
}

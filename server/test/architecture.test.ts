import { globSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const source = fileURLToPath(new URL("../src", import.meta.url));

/** The shelves, lowest first: a file may import from its own folder and from any shelf below, never beside. */
const shelves: readonly (readonly string[])[] = [
  ["lib"],
  ["config", "metrics"],
  ["db"],
  ["store", "timeseries", "ttn"],
  ["ingest", "auth", "exports"],
  ["tasks"],
  ["streaming"],
  ["http"],
  ["resources"],
  ["processes"],
  ["app"],
  ["cli"],
];
const shelfOf = new Map(
  shelves.flatMap((names, height) => names.map((name) => [name, height] as const)),
);

/** Only these know the configuration; all others are given what they need. */
const knowConfig = new Set(["app", "cli"]);

describe("the import rule", () => {
  const files = globSync("**/*.ts", { cwd: source });

  it("has a shelf for every folder", () => {
    expect(files.map(folderOf).filter((folder) => !shelfOf.has(folder))).toEqual([]);
  });

  it.each(files)("holds for %s", (file) => {
    const offences = importsOf(file).filter(
      (imported) => !mayImport(folderOf(file), folderOf(imported)),
    );
    expect(offences).toEqual([]);
  });

  it("keeps SQL in store, timeseries and db", () => {
    const elsewhere = files.filter(
      (file) => !["store", "timeseries", "db"].includes(folderOf(file)),
    );
    expect(elsewhere.filter((file) => /from "(?:kysely|pg)/.test(read(file)))).toEqual([]);
  });

  it("says of every exported function what it does", () => {
    const silent = /(?<!\*\/\n)^export (?:async )?function\b/m;
    expect(files.filter((file) => silent.test(read(file)))).toEqual([]);
  });

  it("asks the machine for the time in one place", () => {
    const askers = files.filter((file) => /Date\.now|new Date\(\)/.test(read(file)));
    expect(askers).toEqual(["lib/clock.ts"]);
  });

  it("reads the environment in one place, and hands it on to PostgreSQL's programs", () => {
    const readers = files.filter((file) => /process\.env/.test(read(file)));
    expect(readers.filter((file) => folderOf(file) !== "db")).toEqual(["config.ts"]);
  });
});

function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  if (to === "config" && !knowConfig.has(from)) return false;
  return shelfOf.get(to)! < shelfOf.get(from)!;
}

function folderOf(file: string): string {
  return file.split("/", 1)[0]!.replace(/\.ts$/, "");
}

function importsOf(file: string): string[] {
  const specifiers = [...read(file).matchAll(/(?:from|import\(?) ?"(\.[^"]+)"/g)].map(
    ([, specifier]) => specifier!,
  );
  return specifiers.map((specifier) => relative(source, resolve(source, dirname(file), specifier)));
}

function read(file: string): string {
  return readFileSync(resolve(source, file), "utf8");
}

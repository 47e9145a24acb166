import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../src/config.ts";
import { createDemo } from "../src/store/demo.ts";
import { useApi } from "./support/api.ts";

const root = new URL("../../", import.meta.url);
const readme = readFileSync(new URL("README.md", root), "utf8");
const program = fileURLToPath(new URL("server/bin/ents-backend.js", root));
const sample = new URL("fixtures/rocketlogger.csv", import.meta.url);
const execute = promisify(execFile);
const api = useApi();

describe("README.md", () => {
  let address: string;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "ents-readme-"));
    await copyFile(sample, join(directory, "measurements.csv"));
    await createDemo(api.db);
    await api.app.listen({ port: 0, host: "localhost" });
    address = `localhost:${(api.app.server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  it.skipIf(spawnSync("curl", ["--version"]).error)(
    "shows requests that answer as it says, in this order on an empty database",
    async () => {
      const shown = examples(readme, "curl");
      expect(shown.length).toBeGreaterThan(3);
      for (const { command, output } of shown) {
        const run = command.replaceAll("localhost:8000", address);
        const { stdout } = await execute("sh", ["-c", run]);
        expect(stdout.trim(), command).toBe(output);
      }
    },
  );

  it("shows commands that work, in this order after the requests", async () => {
    const shown = examples(readme, "npx ents-backend");
    expect(shown.length).toBeGreaterThan(3);
    const env = { ...process.env, DATABASE_URL: api.databaseUrl, DATA_DIR: directory };
    for (const { command } of shown) {
      const run = command.replace("npx ents-backend", `"${process.execPath}" "${program}"`);
      const target = command.includes(" simulate ") ? ` --url http://${address}/api/sensor/` : "";
      const { stdout } = await execute("sh", ["-c", run + target], { cwd: directory, env });
      expect(stdout, command).not.toBe("");
    }
  });

  it("names every setting, as .env.example does", () => {
    const names = [...readme.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name);
    const example = readFileSync(new URL(".env.example", root), "utf8");
    expect([...example.matchAll(/^#([A-Z_]+)=/gm)].map(([, name]) => name)).toEqual(names);
    expect(names).toEqual(settings());
  });

  it("names scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
      scripts: object;
    };
    const named = [...readme.matchAll(/`?npm (?:run )?([a-z:]+)/g)].map(([, name]) => name!);
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });
});

interface Example {
  readonly command: string;
  readonly output: string;
}

/** The lines of the console blocks that use a program, each with the lines that follow it. */
function examples(markdown: string, tool: string): Example[] {
  const blocks = [...markdown.matchAll(/```console\n([\s\S]*?)```/g)].map(([, block]) => block!);
  return blocks
    .flatMap((block) => block.split(/^\$ /m).slice(1))
    .filter((text) => text.includes(tool))
    .map((text) => {
      const [command = "", ...output] = text.trimEnd().split("\n");
      return { command, output: output.join("\n") };
    });
}

/** The names of the variables that the configuration asks an environment for. */
function settings(): string[] {
  const asked = new Set<string>();
  loadConfig(new Proxy({}, { get: (_, name) => void asked.add(String(name)) }));
  return [...asked].filter((name) => !name.endsWith("_FILE"));
}

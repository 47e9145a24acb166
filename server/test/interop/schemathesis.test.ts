import { spawn } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, inject, it } from "vitest";
import { useBackend } from "./backend.ts";

const backend = useBackend();
const document = resolve("docs/openapi.json");
const longest_ms = 240_000;

// Beside each other: the program that asks takes more time than the server.
describe
  .skipIf(inject("pythonPrograms") === "")
  .concurrent("the API, tried by its document", () => {
    it("keeps what it promises to users and their keys", { timeout: longest_ms }, async () => {
      const phases = "examples,coverage,fuzzing,stateful";
      const said = await run(
        await logIn("token", "key"),
        "--phases",
        phases,
        "-n",
        "8",
        "--seed",
        "1",
      );
      expect(said).toBe("");
    });

    it("keeps what it promises to a script that has a key", { timeout: longest_ms }, async () => {
      const said = await run(await logIn("key"), "--phases", "coverage", "-n", "2", "--seed", "3");
      expect(said).toBe("");
    });

    it("keeps what it promises to nobody", { timeout: longest_ms }, async () => {
      const said = await run("", "--phases", "coverage,fuzzing", "-n", "4", "--seed", "2");
      expect(said).toBe("");
    });
  });

/**
 * @param who what the configuration says of who asks
 * @returns nothing where all checks passed, and otherwise what Schemathesis says
 */
async function run(who: string, ...options: string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "ents-schemathesis-"));
  await copyFile(fileOf("schemathesis_hooks.py"), join(directory, "schemathesis_hooks.py"));
  const config = join(directory, "schemathesis.toml");
  await writeFile(config, (await readFile(fileOf("schemathesis.toml"), "utf8")) + who);
  const program = join(inject("pythonPrograms"), "schemathesis");
  const what = ["run", document, "--url", backend.url, "--checks", "all", "--warnings", "off"];
  const child = spawn(program, ["--config-file", config, ...what, ...options], {
    cwd: directory,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise((settle) => child.once("close", settle));
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await rm(directory, { recursive: true });
  return (await exited) === 0 ? "" : output + errors;
}

function fileOf(name: string): string {
  return join(import.meta.dirname, name);
}

/** What the configuration says of someone new who shows an access token, a key, or both. */
async function logIn(...shown: readonly ("token" | "key")[]): Promise<string> {
  const person = {
    email: `fuzz-${shown.join("-")}@example.org`,
    password: "soil and volts",
    first_name: "Fuzz",
    last_name: "",
  };
  const headers = { "Content-Type": "application/json" };
  const registered = await fetch(`${backend.url}/api/auth/register`, {
    method: "POST",
    headers,
    body: JSON.stringify(person),
  });
  const token = await registered.text();
  const made = await fetch(`${backend.url}/api/keys`, {
    method: "POST",
    headers: { ...headers, Authorization: `Bearer ${token}` },
    body: JSON.stringify({ name: "for fuzzing", scopes: ["read", "upload", "manage"] }),
  });
  const { key } = (await made.json()) as { key: string };
  const schemes = { token: `bearer = "${token}"`, key: `api_key = "${key}"` };
  return shown.map((scheme) => `\n[auth.openapi.${scheme}]\n${schemes[scheme]}\n`).join("");
}

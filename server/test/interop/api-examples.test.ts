import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { useBackend } from "./backend.ts";

const execute = promisify(execFile);
const backend = useBackend();
const markdown = readFileSync("docs/api.md", "utf8");

interface Block {
  readonly language: string;
  readonly code: string;
  /** What it prints, where the page says so. */
  readonly output: string | undefined;
}

const blocks: readonly Block[] = [
  ...markdown.matchAll(/```(console|python|r)\n([^]*?)```(?:\n\n```text\n([^]*?)```)?/g),
].map(([, language = "", code = "", output]) => ({ language, code, output }));

describe.skipIf(inject("pythonPrograms") === "")("docs/api.md", () => {
  let directory: string;
  let environment: NodeJS.ProcessEnv;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "ents-examples-"));
    environment = { ...process.env, ...(await credentials()) };
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  it("shows what can be done, in curl and Python", async () => {
    let taskId = "";
    for (const { language, code, output } of blocks) {
      if (language === "python") await expectOutput(code, output, [python(), "-c"]);
      if (language !== "console") continue;
      for (const { command, printed } of commandsOf(code)) {
        if (command.includes("/result")) await untilOver(taskId);
        // An example's number stands for that of the task before.
        const strict = command
          .replace("curl", "curl --fail-with-body")
          .replaceAll(exampleId, taskId);
        const said = await run(strict, ["sh", "-c"]);
        taskId = /^location: \/api\/tasks\/(\S+)/im.exec(said)?.[1] ?? taskId;
        if (printed !== "" && !/…|^HTTP/.test(printed)) expect(said.trim(), command).toBe(printed);
      }
    }
  });

  it.skipIf(spawnSync("Rscript", ["-e", "library(jsonlite)"]).status !== 0)(
    "and in R, where that is installed",
    async () => {
      const shown = blocks.filter(({ language }) => language === "r");
      expect(shown).not.toEqual([]);
      for (const { code, output } of shown) await expectOutput(code, output, ["Rscript", "-e"]);
    },
  );

  async function expectOutput(code: string, output: string | undefined, shell: string[]) {
    const said = await run(code, shell);
    if (output !== undefined) expect(said.trim(), code).toBe(output.trim());
  }

  async function run(code: string, [program = "", ...options]: string[]): Promise<string> {
    const text = code.replaceAll("http://localhost:8000", backend.url);
    const where = { cwd: directory, env: environment };
    return (await execute(program, [...options, text], where)).stdout;
  }

  async function untilOver(taskId: string): Promise<void> {
    const headers = { "X-API-Key": environment["KEY"]! };
    await expect
      .poll(
        async () => {
          const answer = await fetch(`${backend.url}/api/tasks/${taskId}`, { headers });
          return ((await answer.json()) as { state: string }).state;
        },
        { timeout: 60_000 },
      )
      .toBe("SUCCESS");
  }
});

const exampleId = "0b54c1d2-9f0e-4d8e-8f43-6b1c1f5a7c11";

function python(): string {
  return join(inject("pythonPrograms"), "python");
}

/** The commands of a console block, each with the lines that follow it. */
function commandsOf(block: string): { readonly command: string; readonly printed: string }[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const [command = "", ...printed] = text.trimEnd().split("\n");
      return { command, printed: printed.join("\n") };
    });
}

/** What the page's examples show of who asks: an admin's access token, and a key of theirs. */
async function credentials(): Promise<{ readonly ADMIN: string; readonly KEY: string }> {
  const email = "admin@example.org";
  const names = ["--first-name", "Ada", "--last-name", "Example"];
  const made = await backend.run("user", "create", email, ...names, "--admin", "--generate");
  const password = /^Password: (\S+)$/m.exec(made)![1];
  const token = await post("/api/auth/login", { email, password });
  const body = { name: "examples", scopes: ["read", "upload", "manage"] };
  const key = JSON.parse(await post("/api/keys", body, { Authorization: `Bearer ${token}` })) as {
    readonly key: string;
  };
  return { ADMIN: token, KEY: key.key };
}

async function post(path: string, body: object, headers: Record<string, string> = {}) {
  const answer = await fetch(backend.url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  expect(answer.ok, await answer.clone().text()).toBe(true);
  return await answer.text();
}

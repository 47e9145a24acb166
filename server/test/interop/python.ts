import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { inject } from "vitest";

/** Runs a script of this folder on the package; it reads JSON from standard input, and answers in JSON. */
export async function ask<Answer>(script: string, question: object = {}): Promise<Answer> {
  const path = join(import.meta.dirname, script);
  return JSON.parse(await run("python", [path], JSON.stringify(question))) as Answer;
}

/** Runs the package's own program, and answers what it prints. */
export async function ents(...args: string[]): Promise<string> {
  return await run("ents", args);
}

async function run(name: string, args: readonly string[], input = ""): Promise<string> {
  const child = spawn(join(inject("pythonPrograms"), name), args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  });
  child.stdin.end(input);
  const exited = new Promise((resolve) => child.once("close", resolve));
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const code = await exited;
  if (code !== 0)
    throw new Error(`${name} ${args.join(" ")} ended with ${String(code)}:\n${errors}`);
  return output;
}

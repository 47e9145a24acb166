import { createInterface, type Interface } from "node:readline/promises";
import { Writable } from "node:stream";
import { defineError } from "../lib/errors.ts";
import { randomSecret } from "../lib/secret.ts";

const notTheSame = defineError("invalid", "not_the_same", "these are two different passwords");
const noPassword = defineError(
  "invalid",
  "no_password",
  "no password: type one, or send it on standard input, or say --generate",
);

/** A password that nobody has thought of: 120 random bits. */
export function newPassword(): string {
  return randomSecret(15);
}

/**
 * Asks the user of a command for a password, to be typed twice, unseen; or reads it from the first line of standard
 * input. It is never an argument: those stand in the list of processes and in the history.
 */
export async function askPassword(): Promise<string> {
  return process.stdin.isTTY ? await typePassword() : await readPassword();
}

async function typePassword(): Promise<string> {
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: unseen, terminal: true });
  try {
    const password = await ask(terminal, "Password: ");
    if (password !== (await ask(terminal, "Again: "))) throw notTheSame();
    return password;
  } finally {
    terminal.close();
  }
}

async function ask(terminal: Interface, question: string): Promise<string> {
  process.stderr.write(question);
  const closed = new AbortController();
  terminal.once("close", () => closed.abort());
  try {
    return await terminal.question("", closed);
  } catch {
    throw noPassword(); // Ctrl-C, Ctrl-D
  } finally {
    process.stderr.write("\n");
  }
}

async function readPassword(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  for await (const line of lines) {
    if (line !== "") return line;
  }
  throw noPassword();
}

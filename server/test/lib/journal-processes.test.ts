import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import type { Json } from "../../src/lib/journal-lines.ts";
import { filesIn, reopened, useDirectories } from "../support/journal.ts";

const newDirectory = useDirectories();
const children: ChildProcess[] = [];
const moduleUrl = new URL("../../src/lib/journal.ts", import.meta.url).href;

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** Opens a journal, and says on standard output which records it was promised. */
const prelude = `
  import { appendFileSync, writeSync } from "node:fs";
  import { Journal } from ${JSON.stringify(moduleUrl)};
  const [path, name, ledger] = process.argv.slice(1);
  const quiet = () => {};
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const journal = await Journal.open(path, { max_bytes: 2 ** 30, log, clock: () => Date.now() / 1000 });
  const append = async (record) => {
    await journal.append(record);
    writeSync(1, JSON.stringify(record) + "\\n");
  };`;

/** Twenty appenders that never end. */
const appendForEver = `${prelude}
  let n = 0;
  const appendOn = async () => { for (;;) await append(name + " " + n++); };
  await Promise.all(Array.from({ length: 20 }, appendOn));`;

/** Appends a thousand records, longer than a page is, and drains into a ledger, again and again meanwhile and once afterwards. */
const appendAndDrain = `${prelude}
  let over = false;
  const apply = async (records) => appendFileSync(ledger, records.join("\\n") + "\\n");
  const draining = (async () => { while (!over) await journal.drain(apply); })();
  const appendSome = async (first) => { for (let n = 0; n < 100; n++) await append(name + " " + (first + n) + "x".repeat(5000)); };
  await Promise.all(Array.from({ length: 10 }, (_, n) => appendSome(100 * n)));
  over = true;
  await draining;
  await journal.drain(apply);
  await journal.close();`;

/** Appends a hundred records of a kilobyte, one after the other, and says what became of the others. */
const appendAllTheSame = `${prelude}
  for (let n = 0; n < 100; n++)
    await append(name + " " + n + "x".repeat(1000)).catch(({ code }) => console.error(code));
  await journal.close();`;

describe("a journal whose process is killed", () => {
  it("has every record that was promised, in order, whenever that was", async () => {
    const path = newDirectory();
    for (let round = 0; round < 10; round += 1) {
      const child = run(appendForEver, path, `round ${round}`);
      const promised = await killAfter(child, Math.ceil(Math.random() * 300));
      const kept = await reopened(path);
      expect(promised.filter((record) => !kept.includes(record))).toEqual([]);
      // What was written and not promised any more may be there too, and everything once.
      expect(kept).toEqual(kept.map((_, n) => `round ${round} ${n}`));
      // The last write may have been cut short; it was not promised.
      const left = (await filesIn(path)).filter((name) => !name.endsWith(".damaged"));
      expect(left).toEqual([]);
    }
  });

  it("keeps what several lives of it have left behind", async () => {
    const path = newDirectory();
    const promised: Json[] = [];
    for (let life = 0; life < 3; life += 1)
      promised.push(...(await killAfter(run(appendForEver, path, `life ${life}`), 50)));
    const kept = await reopened(path);
    expect(promised.filter((record) => !kept.includes(record))).toEqual([]);
    const lives = kept.map((record) => (record as string).slice(0, 6));
    expect(lives).toEqual(lives.toSorted());
  });
});

describe("several processes on one journal", () => {
  it("append and drain at the same time, lose nothing and leave nothing behind", async () => {
    const path = newDirectory();
    const ledger = newDirectory();
    const all = ["a", "b", "c"].map((name) => run(appendAndDrain, path, name, ledger));
    const promised = (await Promise.all(all.map((child) => linesOf(child)))).flat();
    expect(promised.length).toBe(3000);
    const rest = await reopened(path);
    const applied = new Set([...(await readFile(ledger, "utf8")).split("\n"), ...rest]);
    expect(promised.filter((record) => !applied.has(record))).toEqual([]);
    expect(await filesIn(path)).toEqual([]);
  });
});

describe("a journal that the system lets write no further", () => {
  it("refuses what isn't whole on the disk, leaves nothing of it there, and goes on elsewhere", async () => {
    const path = newDirectory();
    // No file may pass 20 blocks of 512 bytes, or of 1024, as the shell has it.
    const child = track(
      spawn(
        "sh",
        ["-c", 'ulimit -f 20 && exec "$@"', "sh", ...command(appendAllTheSame, path, "n")],
        {
          stdio: ["ignore", "pipe", "pipe"],
        },
      ),
    );
    const [promised, refused] = await Promise.all([linesOf(child), linesOf(child, "stderr")]);
    expect(promised.length + refused.length).toBe(100);
    expect(new Set(refused)).toEqual(new Set(["journal_unwritable"]));
    const files = await filesIn(path);
    expect(files.length).toBe(refused.length + 1);
    for (const name of files)
      expect((await readFile(join(path, name), "utf8")).endsWith('x"\n')).toBe(true);
    expect((await stat(join(path, files[0]!))).size).toBeLessThanOrEqual(20 * 1024);
    expect(await reopened(path)).toEqual(promised);
  });
});

function command(script: string, ...args: string[]): [string, ...string[]] {
  return [process.execPath, "--input-type=module", "--eval", script, ...args];
}

function run(script: string, ...args: string[]): ChildProcess {
  const [program, ...rest] = command(script, ...args);
  return track(spawn(program, rest, { stdio: ["ignore", "pipe", "inherit"] }));
}

function track(child: ChildProcess): ChildProcess {
  children.push(child);
  return child;
}

/** Kills a process as soon as it was promised so many records; answers all that it was promised. */
async function killAfter(child: ChildProcess, count: number): Promise<Json[]> {
  const ended = once(child, "exit");
  const promised: Json[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    promised.push(JSON.parse(line) as Json);
    if (promised.length === count) child.kill("SIGKILL");
  }
  await ended;
  return promised;
}

/** What a process says until it ends: records on standard output, words on standard error. */
async function linesOf(child: ChildProcess, from: "stdout" | "stderr" = "stdout") {
  const lines: string[] = [];
  for await (const line of createInterface({ input: child[from]! }))
    lines.push(from === "stdout" ? (JSON.parse(line) as string) : line);
  return lines;
}

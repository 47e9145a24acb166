import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { array, assert, asyncProperty, jsonValue } from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../../src/lib/journal-lines.ts";
import {
  appendAll,
  drained,
  filesIn,
  openJournal,
  reopened,
  some,
  useDirectories,
} from "../support/journal.ts";

const newDirectory = useDirectories();

describe("a journal", () => {
  it("hands out what was appended, in order, once, and leaves nothing behind", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    await appendAll(journal, some);
    await journal.append("last");
    expect(await drained(journal)).toEqual([...some, "last"]);
    expect(await drained(journal)).toEqual([]);
    expect(await filesIn(path)).toEqual([]);
    await journal.append("again");
    expect(await drained(journal)).toEqual(["again"]);
    await journal.close();
  });

  it("takes any JSON value", async () => {
    const journal = await openJournal(newDirectory());
    await assert(
      asyncProperty(array(jsonValue()), async (values) => {
        // Of what JSON can't say, such as -0, it keeps what JSON makes of it.
        const records = JSON.parse(JSON.stringify(values)) as Json[];
        await appendAll(journal, records);
        expect(await drained(journal)).toEqual(records);
      }),
    );
    await journal.close();
  });

  it("keeps what it has through its end, for its owner's eyes only", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    const writes = appendAll(journal, some);
    await journal.close();
    await writes;
    const [name = ""] = await filesIn(path);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await stat(join(path, name))).mode & 0o777).toBe(0o600);
    expect(await reopened(path)).toEqual(some);
  });

  it("takes nothing any more when it is closed", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    await journal.close();
    await expect(journal.append(1)).rejects.toMatchObject({ code: "journal_unwritable" });
    expect(await filesIn(path)).toEqual([]);
  });

  it("begins a new segment at 16 MB, reads all of them in order and hands out bounded batches", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    const text = "x".repeat(900_000);
    const records = Array.from({ length: 40 }, (_, n) => ({ n, text }));
    for (const half of [records.slice(0, 20), records.slice(20)]) await appendAll(journal, half);
    await appendAll(
      journal,
      Array.from({ length: 1200 }, (_, n) => n),
    );

    const files = await filesIn(path);
    const sizes = await Promise.all(files.map(async (name) => (await stat(join(path, name))).size));
    expect(files.length).toBe(3);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(16 * 1024 * 1024);

    const batches: (readonly Json[])[] = [];
    await journal.drain(async (batch) => void batches.push(batch));
    expect(batches.flat()).toEqual([...records, ...Array.from({ length: 1200 }, (_, n) => n)]);
    for (const batch of batches) {
      expect(batch.length).toBeLessThanOrEqual(500);
      expect(JSON.stringify(batch).length).toBeLessThanOrEqual(4 * 1024 * 1024);
    }
    await journal.close();
  });

  it.skipIf(process.platform !== "linux")(
    "shares a write between those who append meanwhile",
    async () => {
      const journal = await openJournal(newDirectory());
      const before = writeCalls();
      await appendAll(
        journal,
        Array.from({ length: 2000 }, (_, n) => n),
      );
      expect(writeCalls() - before).toBeLessThan(200);
      await journal.close();
    },
  );
});

/** How often this process has told the system to write. */
function writeCalls(): number {
  return Number(/^syscw: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))![1]);
}

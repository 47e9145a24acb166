import { cp, rename, stat } from "node:fs/promises";
import { join } from "node:path";
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
import { listening } from "../support/log.ts";

const newDirectory = useDirectories();

describe("a journal", () => {
  it("goes on where it couldn't be applied, and from the beginning in another process", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    const records = Array.from({ length: 1200 }, (_, n) => n);
    await appendAll(journal, records);
    const seen: Json[] = [];
    const failing = journal.drain(async (batch) => {
      if (seen.length >= 1000) throw new Error("database away");
      seen.push(...batch);
    });
    await expect(failing).rejects.toThrow("database away");
    expect(seen).toEqual(records.slice(0, 1000));
    expect(journal.depth().records).toBe(200);
    await journal.append("later");
    const copy = newDirectory();
    await cp(path, copy, { recursive: true });
    expect(await reopened(copy)).toEqual([...records, "later"]);
    expect(await drained(journal)).toEqual([...records.slice(1000), "later"]);
    expect(await filesIn(path)).toEqual([]);
    await journal.close();
  });

  it("keeps aside what can never be applied, says so, and hands out what comes after it", async () => {
    const path = newDirectory();
    const { told, log } = listening();
    const journal = await openJournal(path, { log });
    const records = Array.from({ length: 1200 }, (_, n) => n);
    await appendAll(journal, records);
    const [name = ""] = await filesIn(path);
    const seen: Json[] = [];
    await journal.drain(async (batch) => {
      seen.push(...batch);
      return batch.filter((n) => n === 7 || n === 1100);
    });
    expect(seen).toEqual(records);
    expect(journal.depth()).toEqual({ records: 0, bytes: 0 });
    const file = join(path, `${name}.unkept`);
    expect(await filesIn(path)).toEqual([`${name}.unkept`]);
    expect(journal.aside()).toEqual({ files: 1, bytes: (await stat(file)).size });
    expect(told).toEqual(
      [1, 1].map((count) => [
        { file, records: count },
        expect.stringContaining("can't be applied"),
      ]),
    );
    await journal.close();
    expect(await reopened(path)).toEqual([]);
    // The way out, once it can be applied.
    await rename(file, join(path, name));
    expect(await reopened(path)).toEqual([7, 1100]);
    expect(await filesIn(path)).toEqual([]);
  });

  it("ends a drain between two batches, and loses nothing by that", async () => {
    const journal = await openJournal(newDirectory());
    const records = Array.from({ length: 1200 }, (_, n) => n);
    await appendAll(journal, records);
    const stopping = new AbortController();
    const seen: Json[] = [];
    await journal.drain(async (batch) => {
      seen.push(...batch);
      stopping.abort();
    }, stopping.signal);
    expect(seen).toEqual(records.slice(0, 500));
    expect(await drained(journal)).toEqual(records.slice(500));
    await journal.close();
  });

  it("hands out a record once, though it drains while it takes others", async () => {
    const journal = await openJournal(newDirectory());
    const seen: Json[] = [];
    const records = Array.from({ length: 300 }, (_, n) => n);
    const appending = appendAll(journal, records.slice(0, 10));
    for (let n = 10; n < records.length; n += 10) {
      const more = appendAll(journal, records.slice(n, n + 10));
      seen.push(...(await drained(journal)));
      await more;
    }
    await appending;
    expect([...seen, ...(await drained(journal))]).toEqual(records);
    await journal.close();
  });

  it("takes records while it hands out others", async () => {
    const journal = await openJournal(newDirectory());
    await journal.append("before");
    const seen: Json[] = [];
    await journal.drain(async (records) => {
      seen.push(...records);
      if (records.includes("before")) await journal.append("meanwhile");
    });
    seen.push(...(await drained(journal)));
    expect(seen).toEqual(["before", "meanwhile"]);
    await journal.close();
  });

  it("hands out a record once, though two ask at the same time", async () => {
    const journal = await openJournal(newDirectory());
    await appendAll(journal, some);
    const both = await Promise.all([drained(journal), drained(journal)]);
    expect(both).toEqual([some, []]);
    await journal.close();
  });
});

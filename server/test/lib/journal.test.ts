import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp, readFile, rename, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { array, assert, asyncProperty, integer, jsonValue, nat, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import type { Journal } from "../../src/lib/journal.ts";
import type { Json } from "../../src/lib/journal-lines.ts";
import { drained, filesIn, openJournal, reopened, useDirectories } from "../support/journal.ts";

const newDirectory = useDirectories();

/** Records that differ in length and in the bytes of their characters. */
const some: Json[] = [{ n: 1 }, "zwei", [3, null, true], { µA: 4.5, text: "a\nb\r\u2028" }, "", 6];

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

  it("knows of what another process appends once it looks", async () => {
    const path = newDirectory();
    const [journal, others] = [await openJournal(path), await openJournal(path)];
    await appendAll(others, some);
    expect(journal.depth().records).toBe(0);
    await journal.look();
    expect(journal.depth().records).toBe(some.length);
    expect(await drained(journal)).toEqual(some);
    await others.look();
    expect(others.depth()).toEqual({ records: 0, bytes: 0 });
    for (const one of [journal, others]) await one.close();
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

  it("writes again what was taken out from under it", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    await journal.append("first");
    const [name = ""] = await filesIn(path);
    await rename(join(path, name), join(path, `${name}.taken`));
    await journal.append("second");
    expect((await filesIn(path)).length).toBe(2);
    expect(await reopened(path)).toEqual(["first", "second"]);
    await journal.close();
  });

  it("leaves to another process what that has taken, until it must be dead", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    const patient = await openJournal(path, { clock: () => Date.now() / 1000 + 301 });
    await journal.append("taken");
    const [name = ""] = await filesIn(path);
    await rename(join(path, name), join(path, `${name}.taken`));
    expect(await drained(journal)).toEqual([]);
    expect(await drained(patient)).toEqual(["taken"]);
    expect(await filesIn(path)).toEqual([]);
    await journal.close();
  });
});

describe("how much a journal holds", () => {
  it("is counted as it is appended and handed out, and when it is opened", async () => {
    const path = newDirectory();
    let now = 1_700_000_000;
    const clock = () => now;
    const journal = await openJournal(path, { clock });
    expect(journal.depth()).toEqual({ records: 0, bytes: 0 });
    await journal.append("one");
    now += 60;
    await appendAll(journal, [2, 3]);
    const [name = ""] = await filesIn(path);
    const full = { records: 3, bytes: (await stat(join(path, name))).size, oldest: 1_700_000_000 };
    expect(journal.depth()).toEqual(full);

    const other = await openJournal(path, { clock });
    expect(other.depth()).toEqual(full);
    await drained(other);
    expect(other.depth()).toEqual({ records: 0, bytes: 0 });
    await drained(journal);
    expect(journal.depth()).toEqual({ records: 0, bytes: 0 });
    await journal.append("four");
    expect(journal.depth()).toMatchObject({ records: 1, oldest: 1_700_000_060 });
    await drained(other);
    await other.append("five");
    await journal.drain(async () => {
      expect(journal.depth().records).toBe(1);
    });
    expect(journal.depth().records).toBe(0);
    await Promise.all([journal.close(), other.close()]);
  });
});

describe("a full journal", () => {
  it("refuses what it has no room for, keeps the rest, and takes more when it was emptied", async () => {
    const path = newDirectory();
    const journal = await openJournal(path, { maxBytes: 1000 });
    const records = Array.from({ length: 100 }, (_, n) => ({ n, text: "x".repeat(100) }));
    const { kept, refused } = await tryAll(journal, records);
    expect(kept).toEqual(records.slice(0, 7));
    expect(refused).toEqual(Array.from({ length: 93 }, () => "journal_full"));
    expect(journal.depth().bytes).toBeLessThanOrEqual(1000);
    await expect(journal.append("x".repeat(200))).rejects.toMatchObject({ kind: "unavailable" });
    expect(await drained(journal)).toEqual(kept);
    await journal.append("again");
    expect(await drained(journal)).toEqual(["again"]);
    await journal.close();
  });

  it("counts what others have left in its directory", async () => {
    const path = newDirectory();
    const dead = await openJournal(path);
    await dead.append("x".repeat(900));
    await dead.close();
    const journal = await openJournal(path, { maxBytes: 1000 });
    await expect(journal.append("x".repeat(100))).rejects.toMatchObject({ code: "journal_full" });
    await journal.append("short");
    expect(await drained(journal)).toEqual(["x".repeat(900), "short"]);
    await journal.close();
  });

  it("bounds also what waits for the disk", async () => {
    const journal = await openJournal(newDirectory());
    const text = "x".repeat(1024 * 1024);
    const { kept, refused } = await tryAll(
      journal,
      Array.from({ length: 40 }, () => text),
    );
    expect(kept.length).toBe(31);
    expect(new Set(refused)).toEqual(new Set(["journal_full"]));
    await journal.append("afterwards");
    expect((await drained(journal)).length).toBe(32);
    await journal.close();
  });
});

describe("a journal whose directory is gone", () => {
  it("refuses every record, leaves none waiting, and goes on when it is back", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    await journal.append("lost with the directory");
    rmSync(path, { recursive: true });
    const { kept, refused } = await tryAll(journal, [1, 2, 3]);
    expect([kept, refused]).toEqual([[], Array.from({ length: 3 }, () => "journal_unwritable")]);
    await expect(journal.drain(async () => {})).rejects.toThrow();
    mkdirSync(path);
    await journal.append("back");
    expect(await drained(journal)).toEqual(["back"]);
    await journal.close();
  });

  it("isn't opened where there can be none", async () => {
    const path = newDirectory();
    writeFileSync(path, "");
    const opening = openJournal(join(path, "journal"));
    await expect(opening).rejects.toMatchObject({ code: "data_dir_unusable" });
  });
});

describe("a damaged journal", () => {
  it("hands out all records before a write that was cut short, wherever that was", async () => {
    const path = newDirectory();
    const { file, bytes, ends } = await written(path, some);
    for (let length = 0; length <= bytes.length; length += 1) {
      await writeFile(file, bytes.subarray(0, length));
      const whole = ends.filter((end) => end <= length).length;
      expect(await reopened(path)).toEqual(some.slice(0, whole));
      expect(await filesIn(path)).toEqual([]);
    }
  });

  it("hands out all records but those that a wrong byte is in, and keeps the segment aside", async () => {
    const path = newDirectory();
    const { file, bytes, ends } = await written(path, some);
    const flips = tuple(nat(bytes.length - 2), integer({ min: 1, max: 255 }));
    await assert(
      asyncProperty(flips, async ([at, bits]) => {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= bits;
        await writeFile(file, damaged);
        // A newline is the end of one record and what the next one begins behind.
        const hit = ends.flatMap((end, n) =>
          at < end && at >= (ends[n - 1] ?? 0) ? (at === end - 1 ? [n, n + 1] : [n]) : [],
        );
        expect(await reopened(path)).toEqual(some.filter((_, n) => !hit.includes(n)));
        expect(await filesIn(path)).toEqual([expect.stringMatching(/\.damaged$/)]);
        expect(await reopened(path)).toEqual([]);
        await rm(`${file}.damaged`);
      }),
    );
  });

  it("says so, and what it keeps aside takes no room, in this life and the next", async () => {
    const path = newDirectory();
    const { file, bytes } = await written(path, ["one", "two"]);
    await writeFile(file, Buffer.concat([bytes, Buffer.from("\nnonsense\n00000000 \n")]));
    const { told, log } = listening();
    const journal = await openJournal(path, { log, maxBytes: 100 });
    expect(journal.depth().records).toBe(2);
    expect(journal.aside()).toEqual({ files: 0, bytes: 0 });
    expect(await drained(journal)).toEqual(["one", "two"]);
    expect(told).toEqual([
      [{ file: `${file}.damaged`, damaged: 3 }, expect.stringContaining("damaged")],
    ]);
    expect(journal.depth()).toEqual({ records: 0, bytes: 0 });
    const aside = { files: 1, bytes: (await stat(`${file}.damaged`)).size };
    expect(journal.aside()).toEqual(aside);
    await journal.append("x".repeat(80));
    await journal.close();

    const next = await openJournal(path, { log });
    expect(next.aside()).toEqual(aside);
    expect(told.slice(1)).toEqual([[{ path, ...aside }, expect.stringContaining("kept aside")]]);
    await rm(`${file}.damaged`);
    expect(await drained(next)).toEqual(["x".repeat(80)]);
    expect(next.aside()).toEqual({ files: 0, bytes: 0 });
    await next.close();
  });

  it("goes on with the next segment when it can't read one to its end", async () => {
    const path = newDirectory();
    const { file } = await written(path, ["good"]);
    await rename(file, join(path, "999999999999999-ffffffffffff.ndjson"));
    // Its first page can't be read.
    await symlink("/proc/self/mem", join(path, "000000000000000-000000000000.ndjson"));
    const journal = await openJournal(path);
    expect(await drained(journal)).toEqual(["good"]);
    expect(await filesIn(path)).toEqual(["000000000000000-000000000000.ndjson.damaged"]);
  });

  it("lets alone what isn't its own", async () => {
    const path = newDirectory();
    const { file } = await written(path, ["mine"]);
    await writeFile(join(path, "README"), "not a journal\n");
    await truncate(file, (await readFile(file)).length);
    expect(await reopened(path)).toEqual(["mine"]);
    expect(await filesIn(path)).toEqual(["README"]);
  });
});

async function appendAll(journal: Journal, records: readonly Json[]): Promise<void> {
  await Promise.all(records.map(async (record) => await journal.append(record)));
}

/** What is logged, whatever its level. */
function listening() {
  const told: unknown[] = [];
  const say = (fields: object, message: string) => void told.push([fields, message]);
  return { told, log: { debug: say, info: say, warn: say, error: say } };
}

/** Appends all at once; answers what is kept, and the codes of the errors of what isn't. */
async function tryAll(
  journal: Journal,
  records: readonly Json[],
): Promise<{ kept: Json[]; refused: unknown[] }> {
  const attempts = records.map(async (record) => await journal.append(record));
  const results = await Promise.allSettled(attempts);
  return {
    kept: records.filter((_, n) => results[n]!.status === "fulfilled"),
    refused: results.flatMap((result) =>
      result.status === "rejected" ? [(result.reason as { code: unknown }).code] : [],
    ),
  };
}

/** A segment with some records, its bytes, and where in them each record ends. */
async function written(
  path: string,
  records: readonly Json[],
): Promise<{ file: string; bytes: Buffer; ends: number[] }> {
  const journal = await openJournal(path);
  await appendAll(journal, records);
  await journal.close();
  const [name = ""] = await filesIn(path);
  const file = join(path, name);
  const bytes = await readFile(file);
  const ends = [...bytes.entries()].flatMap(([at, byte]) => (byte === 10 ? [at + 1] : []));
  return { file, bytes, ends };
}

/** How often this process has told the system to write. */
function writeCalls(): number {
  return Number(/^syscw: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))![1]);
}

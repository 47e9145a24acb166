import { readFile, rename, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, asyncProperty, integer, nat, tuple } from "fast-check";
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

describe("a damaged journal", () => {
  it("hands out all records before a write that was cut short, wherever that was, and keeps the segment aside", async () => {
    const path = newDirectory();
    const { file, bytes, ends } = await written(path, some);
    for (let length = 0; length <= bytes.length; length += 1) {
      await writeFile(file, bytes.subarray(0, length));
      // A record that lacks its newline alone is whole.
      const whole = ends.filter((end) => end - 1 <= length).length;
      const isTorn = ![0, ...ends.flatMap((end) => [end - 1, end])].includes(length);
      expect(await reopened(path)).toEqual(some.slice(0, whole));
      expect(await filesIn(path)).toEqual(isTorn ? [expect.stringMatching(/\.damaged$/)] : []);
      await rm(`${file}.damaged`, { force: true });
    }
  });

  it("loses nothing where damage reaches its end: it keeps the segment aside, and says so", async () => {
    const path = newDirectory();
    const { file, bytes, ends } = await written(path, some);
    for (const from of [0, ...ends.slice(0, -1), bytes.length - 1]) {
      const damaged = Buffer.from(bytes).fill(0, from);
      await writeFile(file, damaged);
      const { told, log } = listening();
      const journal = await openJournal(path, { log });
      const whole = ends.filter((end) => end <= from).length;
      expect(await drained(journal)).toEqual(some.slice(0, whole));
      expect(await readFile(`${file}.damaged`)).toEqual(damaged);
      expect(journal.aside()).toEqual({ files: 1, bytes: damaged.length });
      expect(told).toEqual([
        [{ file: `${file}.damaged`, damaged: 1 }, expect.stringContaining("may be a write that")],
      ]);
      await journal.close();
      await rm(`${file}.damaged`);
    }
  });

  it("hands out all records but those that a wrong byte is in, and keeps the segment aside", async () => {
    const path = newDirectory();
    const { file, bytes, ends } = await written(path, some);
    const flips = tuple(nat(bytes.length - 1), integer({ min: 1, max: 255 }));
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
    const journal = await openJournal(path, { log, max_bytes: 100 });
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

  it("is kept aside once, though a process that begins applies what another one is at", async () => {
    const path = newDirectory();
    const { file, bytes } = await written(path, ["one", "two"]);
    await writeFile(file, Buffer.concat([bytes, Buffer.from("nonsense\n")]));
    const { told, log } = listening();
    const first = await openJournal(path, { log });
    const [begun, going] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const draining = first.drain(async () => {
      begun.resolve();
      await going.promise;
    });
    await begun.promise;
    const second = await openJournal(path, { log });
    expect(await drained(second)).toEqual(["one", "two"]);
    going.resolve();
    await draining;
    expect(await filesIn(path)).toEqual([expect.stringMatching(/\.damaged$/)]);
    expect(told).toHaveLength(1);
    expect(first.depth()).toEqual({ records: 0, bytes: 0 });
    await Promise.all([first.close(), second.close()]);
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

import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Journal } from "../../src/lib/journal.ts";
import type { Json } from "../../src/lib/journal-lines.ts";
import { drained, filesIn, openJournal, useDirectories } from "../support/journal.ts";

const newDirectory = useDirectories();

describe("a full journal", () => {
  it("refuses what it has no room for, keeps the rest, and takes more when it was emptied", async () => {
    const path = newDirectory();
    const journal = await openJournal(path, { max_bytes: 1000 });
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
    const journal = await openJournal(path, { max_bytes: 1000 });
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
  it("is made again by the next record, for its owner's eyes only", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    await journal.append("lost with the directory");
    rmSync(path, { recursive: true });
    await journal.append("kept");
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(await drained(journal)).toEqual(["kept"]);
    rmSync(path, { recursive: true });
    await journal.look();
    expect(journal.depth()).toEqual({ records: 0, bytes: 0 });
    expect(await filesIn(path)).toEqual([]);
    expect(journal.isWritable()).toBe(true);
    await journal.close();
  });

  it("refuses every record while something is in its place, leaves none waiting, says so, and goes on afterwards", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    await journal.append("lost with the directory");
    rmSync(path, { recursive: true });
    writeFileSync(path, "in the way");
    const { kept, refused } = await tryAll(journal, [1, 2, 3]);
    expect([kept, refused]).toEqual([[], Array.from({ length: 3 }, () => "journal_unwritable")]);
    await expect(journal.drain(async () => {})).rejects.toThrow();
    expect(journal.isWritable()).toBe(false);
    await expect(journal.look()).rejects.toThrow();
    expect(journal.isWritable()).toBe(false);
    rmSync(path);
    await journal.look();
    expect(journal.isWritable()).toBe(true);
    expect(await filesIn(path)).toEqual([]);
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

import { createHash, randomBytes } from "node:crypto";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import {
  deleteExpiredFiles,
  deleteFile,
  getFile,
  readFile,
  writeFile,
  type ByteRange,
  type NewFile,
} from "../../src/store/files.ts";
import { useDatabase } from "../support/database.ts";

const database = useDatabase();

const mebibyte = 1024 * 1024;
const plain: NewFile = {
  name: "readings.csv",
  mediaType: "text/csv",
  accountId: null,
  origin: null,
  taskId: null,
  keep_s: 60,
  max_bytes: 10 * mebibyte,
};

async function* inPieces(bytes: Buffer, piece = 100_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
}

async function read(id: string, range?: ByteRange): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of readFile(database.db, await getFile(database.db, id), range))
    pieces.push(piece);
  expect(Math.max(0, ...pieces.map(({ length }) => length))).toBeLessThanOrEqual(mebibyte / 4);
  return Buffer.concat(pieces);
}

async function rowsLeft(): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select (select count(*) from file) + (select count(*) from file_chunk) as count`.execute(
    database.db,
  );
  return rows[0]!.count;
}

describe("a file in the database", () => {
  it.each([0, 1, mebibyte - 1, mebibyte, mebibyte + 1, 3 * mebibyte + 12_345])(
    "of %i bytes is read as it was written, with its size and checksum",
    async (size) => {
      const bytes = randomBytes(size);
      const file = await writeFile(database.db, plain, inPieces(bytes));
      expect(file).toMatchObject({ name: "readings.csv", media_type: "text/csv", size });
      expect(file.sha256).toEqual(createHash("sha256").update(bytes).digest());
      expect((await read(file.id)).equals(bytes)).toBe(true);
      await deleteFile(database.db, file.id);
      expect(await rowsLeft()).toBe(0);
    },
  );

  it("is read from and to any of its bytes", async () => {
    const bytes = randomBytes(2 * mebibyte + 5);
    const { id } = await writeFile(database.db, plain, inPieces(bytes, 3 * mebibyte));
    const last = bytes.length - 1;
    const ranges = [
      [0, 0],
      [last, last],
      [mebibyte - 1, mebibyte],
      [1, last - 1],
      [2 * mebibyte, last],
    ] as const;
    for (const [from, to] of ranges) {
      const part = await read(id, { first: from, last: to });
      expect(part.equals(bytes.subarray(from, to + 1)), `${from} to ${to}`).toBe(true);
    }
    await deleteFile(database.db, id);
  });

  it("that becomes too large, fails or is stopped midway leaves nothing", async () => {
    const bytes = randomBytes(3 * mebibyte);
    const small = { ...plain, max_bytes: 2 * mebibyte };
    await expect(writeFile(database.db, small, inPieces(bytes))).rejects.toMatchObject({
      code: "file_too_large",
    });
    async function* broken(): AsyncGenerator<Buffer> {
      yield bytes;
      throw new Error("broken");
    }
    await expect(writeFile(database.db, plain, broken())).rejects.toThrow("broken");
    const stop = new AbortController();
    async function* stopping(): AsyncGenerator<Buffer> {
      yield bytes;
      stop.abort(new Error("stopped"));
      yield bytes;
    }
    const stopped = writeFile(database.db, plain, stopping(), stop.signal);
    await expect(stopped).rejects.toThrow("stopped");
    expect(await rowsLeft()).toBe(0);
  });

  it("that is deleted while it is written takes no more", async () => {
    async function* deleting(): AsyncGenerator<Buffer> {
      yield randomBytes(mebibyte);
      const { id } = await database.db.selectFrom("file").select("id").executeTakeFirstOrThrow();
      await deleteFile(database.db, id);
      yield randomBytes(2 * mebibyte);
    }
    await expect(writeFile(database.db, plain, deleting())).rejects.toMatchObject({
      code: "file_gone",
    });
    expect(await rowsLeft()).toBe(0);
  });

  it("isn't there before it is complete, nor once it is no longer kept, and then goes", async () => {
    const kept = await writeFile(database.db, plain, inPieces(randomBytes(10)));
    const old = await writeFile(database.db, plain, inPieces(randomBytes((40 * mebibyte) / 10)));
    await sql`update file set expires_at = now() where id = ${old.id}`.execute(database.db);
    await expect(getFile(database.db, old.id)).rejects.toMatchObject({ code: "file_not_found" });
    await deleteExpiredFiles(database.db);
    expect(await rowsLeft()).toBe(2);
    expect(await getFile(database.db, kept.id)).toEqual(kept);
    await deleteFile(database.db, kept.id);
  });
});

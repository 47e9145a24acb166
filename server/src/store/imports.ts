import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { chunk_bytes } from "./files.ts";
import type { Task } from "./tasks.ts";

/** A file that someone has sent to be imported. */
export interface SentFile {
  readonly id: string;
  readonly name: string;
  readonly size: number;
}

/** Those of some files that a user has sent, complete and still kept, in the order of `ids`. */
export async function findSentFiles(
  db: Db,
  userId: string,
  ids: readonly string[],
): Promise<SentFile[]> {
  const rows = await db
    .selectFrom("file")
    .select(["id", "name", "size"])
    .where(sql<boolean>`id = any(${ids}::uuid[])`)
    .where("account_id", "=", userId)
    .where("task_id", "is", null)
    .where("complete", "=", true)
    .where(sql<boolean>`expires_at > now()`)
    .execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** What a user's files take that were sent, those on their way included, in whole chunks. */
export async function measureSentFiles(db: Db, userId: string): Promise<number> {
  const { rows } = await sql<{ chunks: number }>`
    select count(*) as chunks from file join file_chunk on file_id = id
    where account_id = ${userId} and task_id is null and expires_at > now()`.execute(db);
  return rows[0]!.chunks * chunk_bytes;
}

/** The latest task that has imported, or will, what a preview has shown; undefined where there is none. */
export async function findRunOf(
  db: Db,
  previewId: string,
): Promise<Pick<Task, "id" | "attempts" | "state"> | undefined> {
  return await db
    .selectFrom("task")
    .select(["id", "attempts", "state"])
    .where("kind", "=", "import")
    .where(sql<boolean>`params ->> 'preview' = ${previewId}`)
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
}

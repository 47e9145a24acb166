import { sql, type RawBuilder } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import type { Reader } from "./visibility.ts";

/** An upload in quarantine, as lists show it. */
export interface QuarantinedUpload {
  readonly id: number;
  readonly received_at: Date;
  readonly path: string;
  readonly format: string | null;
  readonly code: string;
  readonly reason: string;
  /** Bytes of its body. */
  readonly size: number;
  readonly decodes: boolean;
  readonly keyed: boolean;
  readonly account_id: string | null;
  readonly logger_id: number | null;
  readonly device_eui: string | null;
  readonly cell_ids: number[];
  readonly cell_names: string[];
  readonly logger_numbers: number[];
  readonly replays: number;
  readonly last_replayed_at: Date | null;
}

/** The same, whole. */
export interface WholeUpload extends QuarantinedUpload {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/** Which uploads; of those that the reader may see. */
export interface QuarantineFilter {
  readonly code?: string | undefined;
  readonly exceptCodes?: readonly string[] | undefined;
  /** A cell's number or name, whether or not there is such a cell. */
  readonly cell?: string | undefined;
  /** Received then or later, Unix seconds. */
  readonly since?: number | undefined;
}

export const uploadNotFound = defineError(
  "not_found",
  "upload_not_found",
  "There is no such upload in quarantine",
);

/** The newest uploads first, older than `before` where it is given. */
export async function listQuarantined(
  db: Db,
  reader: Reader,
  filter: QuarantineFilter,
  { before, limit }: { readonly before?: number | undefined; readonly limit: number },
): Promise<QuarantinedUpload[]> {
  let query = select(db, reader, filter).select(listed).orderBy("id", "desc").limit(limit);
  if (before !== undefined) query = query.where("id", "<", before);
  return await query.execute();
}

/** The numbers of uploads, the oldest first, newer than `after` where it is given. */
export async function listQuarantinedIds(
  db: Db,
  reader: Reader,
  filter: QuarantineFilter,
  { after, limit }: { readonly after?: number | undefined; readonly limit: number },
): Promise<number[]> {
  let query = select(db, reader, filter).select("id").orderBy("id").limit(limit);
  if (after !== undefined) query = query.where("id", ">", after);
  return (await query.execute()).map(({ id }) => id);
}

/** How many uploads there are. */
export async function countQuarantined(
  db: Db,
  reader: Reader,
  filter: QuarantineFilter,
): Promise<number> {
  const { count } = await select(db, reader, filter)
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  return count;
}

/** One upload, whole, if there is one that the reader may see. */
export async function findQuarantined(
  db: Db,
  reader: Reader,
  id: number,
): Promise<WholeUpload | undefined> {
  return await select(db, reader)
    .select([...listed, "headers", "body"])
    .where("id", "=", id)
    .executeTakeFirst();
}

/** @throws KnownError when there is none, or none that the reader may see */
export async function getQuarantined(db: Db, reader: Reader, id: number): Promise<WholeUpload> {
  const upload = await findQuarantined(db, reader, id);
  if (!upload) throw uploadNotFound();
  return upload;
}

const listed = [
  "id",
  "received_at",
  "path",
  "format",
  "code",
  "reason",
  sql<number>`octet_length(body)`.as("size"),
  "decodes",
  "keyed",
  "account_id",
  "logger_id",
  "device_eui",
  "cell_ids",
  "cell_names",
  "logger_numbers",
  "replays",
  "last_replayed_at",
] as const;

function select(db: Db, reader: Reader, { code, exceptCodes, cell, since }: QuarantineFilter = {}) {
  let query = db.selectFrom("quarantine").where(isTheirs(reader));
  if (code !== undefined) query = query.where("code", "=", code);
  if (exceptCodes) query = query.where("code", "not in", exceptCodes);
  if (cell !== undefined) query = query.where(isAbout(cell));
  if (since !== undefined) query = query.where("received_at", ">=", new Date(since * 1000));
  return query;
}

/** Whether an upload names a cell: a name may be made of digits, too. */
function isAbout(cell: string): RawBuilder<boolean> {
  const id = /^\d{1,15}$/.test(cell) ? Number(cell) : null;
  return sql<boolean>`(cell_ids @> array[${id}::bigint] or cell_names @> array[lower(${cell}::text)])`;
}

/**
 * Whether the reader may see an upload: they sent it, by their key or by that of a logger of theirs; or the cells that
 * it names, as far as there are any, are all their own; or the device that a webhook is about is a logger of theirs.
 * A DevEUI is no secret, and anyone may write it down for their own: it counts only where no logger and no cell of
 * someone else's is concerned. Nor does it make somebody's upload one's own to make the cell that it names: where it
 * came with a good key, the cell counts that was there by then.
 */
function isTheirs({ userId, admin }: Reader): RawBuilder<boolean> {
  if (admin) return sql<boolean>`true`;
  const user = sql`${userId ?? null}::uuid`;
  // Lists that are made once, so that each condition is one look into an index.
  return sql<boolean>`(
    account_id = ${user}
    or logger_id = any(array(select id from logger where user_id = ${user}))
    or (
      (
        (
          cell_ids && array(select id::bigint from cell where user_id = ${user})
          or cell_names && array(select lower(name) from cell where user_id = ${user})
        )
        and (
          not keyed
          or exists (
            select from cell
            where (cell.id = any(quarantine.cell_ids) or lower(cell.name) = any(quarantine.cell_names))
              and cell.user_id = ${user} and cell.created_at <= quarantine.received_at
          )
        )
        or (
          device_eui = any(array(
            select upper(device_eui) from logger where user_id = ${user} and device_eui is not null
          ))
          and not exists (
            select from logger
            where upper(logger.device_eui) = quarantine.device_eui and logger.user_id is distinct from ${user}
          )
        )
      )
      and not exists (
        select from cell
        where (cell.id = any(quarantine.cell_ids) or lower(cell.name) = any(quarantine.cell_names))
          and cell.user_id is distinct from ${user}
      )
    )
  )`;
}

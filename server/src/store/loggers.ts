import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { reserveLoggerNumber } from "./logger-numbers.ts";
import { requireRoom } from "./quota.ts";
import { updateNamed } from "./update-named.ts";

/** A device that takes readings and sends them. */
export interface Logger {
  readonly id: number;
  readonly name: string;
  readonly type: string | null;
  readonly device_eui: string | null;
  readonly description: string | null;
  readonly date_created: Date;
  readonly user_id: string | null;
  readonly vwc_unit: VwcUnit | null;
  /** Its name on The Things Stack; null: it isn't registered there. */
  readonly ttn_device_id: string | null;
}

/** A logger as uploads are judged by it. */
export interface KnownLogger extends Logger {
  /** Whether its owner is an admin. */
  readonly of_admin: boolean;
}

/** What a device sends volumetric water content in; where it isn't known, ingest guesses. */
export const vwcUnits = ["fraction", "percent"] as const;
export type VwcUnit = (typeof vwcUnits)[number];

export interface NewLogger {
  readonly name: string;
  readonly type?: string | null;
  readonly deviceEui?: string | null;
  readonly description?: string | null;
  readonly vwcUnit?: VwcUnit | null;
  /** Its owner; without one, only admins change it. */
  readonly userId?: string | null;
  /** A number that was reserved for it, or that may be claimed; undefined: the next free one. */
  readonly id?: number;
  readonly ttnDeviceId?: string | null;
  /** When it was made, where that wasn't now. */
  readonly dateCreated?: Date | undefined;
}

/** What may change of a logger; what is not there stays. */
interface LoggerChanges {
  readonly name?: string;
  readonly description?: string | null;
  readonly vwc_unit?: VwcUnit | null;
}

/** A logger number that has written to cells without being registered. */
export interface UnregisteredLogger {
  readonly id: number;
  readonly cellIds: number[];
  readonly firstSeen: Date;
}

export const loggerNotFound = defineError("not_found", "logger_not_found", "Logger not found");
export const loggerNameTaken = defineError("invalid", "logger_name_taken", "Duplicate logger name");

const columns = [
  "id",
  "name",
  "type",
  "device_eui",
  "description",
  "date_created",
  "user_id",
  "vwc_unit",
  "ttn_device_id",
] as const;

/** @throws KnownError when the name is taken, in whatever letter case, or its owner has very many */
export async function createLogger(db: Db, logger: NewLogger): Promise<Logger> {
  await requireFreeName(db, logger.name);
  await requireRoom(db, "logger", logger.userId);
  const created = await db
    .insertInto("logger")
    .values({
      id: logger.id ?? (await reserveLoggerNumber(db)),
      name: logger.name.trim(),
      type: logger.type ?? null,
      device_eui: logger.deviceEui?.trim().toUpperCase() || null,
      description: logger.description ?? null,
      vwc_unit: logger.vwcUnit ?? null,
      user_id: logger.userId ?? null,
      ttn_device_id: logger.ttnDeviceId ?? null,
      ...(logger.dateCreated === undefined ? {} : { date_created: logger.dateCreated }),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning(columns)
    .executeTakeFirst();
  if (!created) throw loggerNameTaken();
  return created;
}

/** @throws KnownError when a logger has the name, in whatever letter case */
export async function requireFreeName(db: Db, name: string): Promise<void> {
  if ((await findLoggers(db, [], [name.trim()])).length > 0) throw loggerNameTaken();
}

/** @throws KnownError when the logger is gone, or the name is another one's, in whatever letter case */
export async function updateLogger(db: Db, id: number, changes: LoggerChanges): Promise<void> {
  await updateNamed(changes, (set) => db.updateTable("logger").set(set).where("id", "=", id), {
    gone: loggerNotFound,
    taken: loggerNameTaken,
  });
}

/** Deletes a logger; its readings stay, under its number. @throws KnownError when there is none */
export async function deleteLogger(db: Db, id: number): Promise<void> {
  const { numDeletedRows } = await db.deleteFrom("logger").where("id", "=", id).executeTakeFirst();
  if (numDeletedRows === 0n) throw loggerNotFound();
}

/** @throws KnownError when there is none */
export async function getLogger(db: Db, id: number): Promise<Logger> {
  const logger = await db
    .selectFrom("logger")
    .select(columns)
    .where("id", "=", id)
    .executeTakeFirst();
  if (!logger) throw loggerNotFound();
  return logger;
}

/** All registered loggers by number, or one user's. */
export async function listLoggers(
  db: Db,
  { userId }: { readonly userId?: string | undefined } = {},
): Promise<Logger[]> {
  let query = db.selectFrom("logger").select(columns).orderBy("id");
  if (userId !== undefined) query = query.where("user_id", "=", userId);
  return await query.execute();
}

/** The logger numbers that have written to cells without being registered, by number. */
export async function listUnregisteredLoggers(db: Db): Promise<UnregisteredLogger[]> {
  return await db
    .selectFrom("logger_sighting")
    .leftJoin("logger", "logger.id", "logger_sighting.logger_id")
    .where("logger.id", "is", null)
    .groupBy("logger_id")
    .orderBy("logger_id")
    .select([
      "logger_id as id",
      sql<number[]>`array_agg(cell_id order by cell_id)`.as("cellIds"),
      sql<Date>`min(first_received_at)`.as("firstSeen"),
    ])
    .execute();
}

/** The loggers with these numbers or names (in whatever letter case), as far as they are registered. */
export async function findLoggers(
  db: Db,
  ids: readonly number[],
  names: readonly string[],
): Promise<KnownLogger[]> {
  return await db
    .selectFrom("logger")
    .select(columns)
    .select(
      sql<boolean>`exists (select from account where account.id = logger.user_id and admin)`.as(
        "of_admin",
      ),
    )
    .where(
      sql<boolean>`(id = any (${ids}::bigint[])
        or lower(name) = any (array(select lower(unnest(${names}::text[])))))`,
    )
    .execute();
}

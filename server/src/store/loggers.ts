import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";

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
}

/** A logger number that has written to cells without being registered. */
export interface UnregisteredLogger {
  readonly id: number;
  readonly cellIds: number[];
  readonly firstSeen: Date;
}

const loggerNameTaken = defineError(
  "conflict",
  "logger_name_taken",
  "Duplicate logger name: {name}",
);

const columns = [
  "id",
  "name",
  "type",
  "device_eui",
  "description",
  "date_created",
  "user_id",
  "vwc_unit",
] as const;

/** @throws KnownError when the name is taken, in whatever letter case */
export async function createLogger(db: Db, logger: NewLogger): Promise<Logger> {
  const row = {
    name: logger.name.trim(),
    type: logger.type ?? null,
    device_eui: logger.deviceEui?.trim().toUpperCase() ?? null,
    description: logger.description ?? null,
    vwc_unit: logger.vwcUnit ?? null,
  };
  const created = await db
    .insertInto("logger")
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returning(columns)
    .executeTakeFirst();
  if (!created) throw loggerNameTaken({ name: row.name });
  return created;
}

/** All registered loggers by number. */
export async function listLoggers(db: Db): Promise<Logger[]> {
  return await db.selectFrom("logger").select(columns).orderBy("id").execute();
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
): Promise<Logger[]> {
  return await db
    .selectFrom("logger")
    .select(columns)
    .where(
      sql<boolean>`(id = any (${ids}::bigint[])
        or lower(name) = any (array(select lower(unnest(${names}::text[])))))`,
    )
    .execute();
}

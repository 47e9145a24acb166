import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { createCell } from "./cells.ts";
import { createLogger } from "./loggers.ts";

/** Numbers to try an upload with. */
export interface Example {
  readonly cellId: number;
  readonly loggerId: number;
}

const cellName = "demo cell";
const loggerName = "demo logger";

/** Makes a cell that anyone may upload to and a logger, both number 1, where there is neither yet. */
export async function createDemo(db: Db): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await sql`lock table cell, logger in share row exclusive mode`.execute(transaction);
    const { rows } = await sql<{ used: boolean }>`
      select (select is_called from cell_id_seq) or (select is_called from logger_id_seq) as used`.execute(
      transaction,
    );
    if (rows[0]!.used) return;
    await createCell(transaction, { name: cellName, uploadPolicy: "open" });
    await createLogger(transaction, { name: loggerName, type: "other" });
  });
}

/** Whether the demo's cell and logger, as they were made, are the only ones, or there is neither. */
export async function isDemo(db: Db): Promise<boolean> {
  const { rows } = await sql<{ demo: boolean }>`
    select not exists (
      select from cell where id <> 1 or name <> ${cellName} or user_id is not null or location is not null
    ) and not exists (
      select from logger where id <> 1 or name <> ${loggerName} or user_id is not null
    ) as demo`.execute(db);
  return rows[0]!.demo;
}

/** The first cell that anyone may upload to, and the first logger. */
export async function findExample(db: Db): Promise<Example | undefined> {
  return await db
    .selectFrom("cell")
    .crossJoin("logger")
    .select(["cell.id as cellId", "logger.id as loggerId"])
    .where("upload_policy", "=", "open")
    .orderBy("cell.id")
    .orderBy("logger.id")
    .limit(1)
    .executeTakeFirst();
}

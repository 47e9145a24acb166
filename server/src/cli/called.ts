import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { findCells, type Cell } from "../store/cells.ts";
import { findLoggers, type Logger } from "../store/loggers.ts";

const noCell = defineError(
  "not_found",
  "cell_not_found",
  "there is no cell {wanted}; `ents-backend cell list` shows them all, `ents-backend cell create` makes one",
);
const noLogger = defineError(
  "not_found",
  "logger_not_found",
  "there is no logger {wanted}; `ents-backend logger list` shows them all, `ents-backend logger create` registers one",
);
/** The cell with this number or name. @throws KnownError when there is none */
export async function getCellCalled(db: Db, text: string): Promise<Cell> {
  const cell = choose(await findCells(db, ...reference(text)), text);
  if (!cell) throw noCell({ wanted: JSON.stringify(text) });
  return cell;
}

/** The logger with this number or name. @throws KnownError when there is none */
export async function getLoggerCalled(db: Db, text: string): Promise<Logger> {
  const logger = choose(await findLoggers(db, ...reference(text)), text);
  if (!logger) throw noLogger({ wanted: JSON.stringify(text) });
  return logger;
}

function reference(text: string): [ids: number[], names: string[]] {
  return [/^\d{1,10}$/.test(text) ? [Number(text)] : [], [text.trim()]];
}

/** A name may be made of digits; a number is a number first. */
function choose<Row extends { readonly id: number }>(
  rows: readonly Row[],
  text: string,
): Row | undefined {
  return rows.find(({ id }) => String(id) === text) ?? rows[0];
}

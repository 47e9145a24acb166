import type { Db } from "../../src/db/connect.ts";
import { Writer, type NewReading, type Written } from "../../src/timeseries/write.ts";

/** Stores readings, all or none, as who has just started does: nothing is remembered of what was stored before. */
export async function writeReadings(db: Db, readings: readonly NewReading[]): Promise<Written> {
  const [written] = await new Writer(db).write([readings], undefined);
  return written!;
}

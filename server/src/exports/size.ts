import type { Db } from "../db/connect.ts";
import { measure } from "../timeseries/measure.ts";
import { resolveMeasured } from "../timeseries/resolve.ts";
import { boundOf } from "../timeseries/series.ts";
import type { ExportQuery } from "./request.ts";

/** How many values an export has at most, found without reading any of them. */
export async function boundValues(db: Db, { sensors, query }: ExportQuery): Promise<number> {
  const ids = sensors.map(({ id }) => id);
  const measured = await measure(db, ids, query.range);
  const resolved = await resolveMeasured(db, measured, query);
  return measured.reduce((sum, one) => sum + boundOf(one, resolved), 0);
}

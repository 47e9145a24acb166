import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "../db/connect.ts";
import type { Clock } from "../lib/clock.ts";
import { count } from "../lib/count.ts";
import { isEmpty, measure } from "../timeseries/measure.ts";
import { resolveMeasured, type Resolved } from "../timeseries/resolve.ts";
import { readRows, type Rows } from "../timeseries/rows.ts";
import { planWindows } from "../timeseries/windows.ts";
import type { ExportQuery, ExportSensor } from "./request.ts";
import type { ExportWork } from "./work.ts";

/** Rows that are held at once, and read by one statement: a few milliseconds' work on either side. */
const rowsAtOnce = 8_000;

/** After each part it rests half as long as that took, but no longer than this: uploads want the same processors. */
const longestRest_ms = 50;

/** What an export is of, whatever it is written as. */
export interface Table {
  readonly query: ExportQuery;
  /** Unix seconds. */
  readonly created: number;
  /** Those that were asked for by name, or else those that have readings. */
  readonly sensors: readonly ExportSensor[];
  /** The part of the range where there are readings, Unix seconds; empty where there are none. */
  readonly range: Resolved["range"];
  /** Whether rows are readings as they are, and not means. */
  readonly isRaw: boolean;
  /** All rows, in the order of time; with `origin`, readings have how they came. */
  readonly rows: (options: { readonly origin: boolean }) => AsyncGenerator<Rows>;
}

/** Opens what a query asks for. Nothing of it is read before its rows are. */
export async function openTable(
  { db, clock }: { readonly db: Db; readonly clock: Clock },
  query: ExportQuery,
  work: ExportWork,
): Promise<Table> {
  work.report(0, "looking at what there is");
  const all = query.sensors.map(({ id }) => id);
  const measured = await measure(db, all, query.query.range);
  const resolved = await resolveMeasured(db, measured, query.query);
  const isNamed = query.params.sensors !== undefined;
  const sensors = query.sensors.filter((_, at) => isNamed || measured[at]!.first !== null);
  const ids = sensors.map(({ id }) => id);
  const isRaw = resolved.buckets.kind === "none";
  return {
    query,
    created: clock(),
    sensors,
    range: resolved.range,
    isRaw,
    async *rows({ origin }) {
      const windows = await planWindows(db, ids, resolved, rowsAtOnce);
      const total = windows.reduce((sum, { rows }) => sum + rows, 0);
      let done = 0;
      for (const span of windows) {
        work.signal.throwIfAborted();
        const began = performance.now();
        yield await readRows(db, ids, resolved, { span, origin: origin && isRaw });
        done += span.rows;
        work.report(done / total, `${count(done)} of about ${count(total, "value")}`);
        await sleep(Math.min((performance.now() - began) / 2, longestRest_ms));
      }
    },
  };
}

/** Whether there is nothing in it. */
export function hasNothing({ range }: Table): boolean {
  return isEmpty(range);
}

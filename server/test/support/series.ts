import type { Stream } from "@ents-backend/schemas/sensor";
import { foldRollups } from "../../src/timeseries/rollup-deltas.ts";
import { writeReadings } from "./write-readings.ts";
import type { TestApi } from "./api.ts";

let calls = 0;

/**
 * Stores readings of one stream of a cell: values at instants in Unix seconds. Every other time rollups have learnt of
 * them at once, so that reads meet both.
 */
export async function store(
  { db, now }: Pick<TestApi, "db" | "now">,
  cellId: number,
  { name, measurement, unit }: Stream,
  readings: readonly (readonly [ts: number, value: number | null])[],
): Promise<void> {
  const place = { cellId, stream: { name, measurement, unit }, dataType: "float" } as const;
  await writeReadings(
    db,
    readings.map(([ts, value]) => ({ ...place, ts, value, receivedAt: now, loggerId: 1 })),
  );
  calls += 1;
  if (calls % 2 === 0) await foldRollups(db);
}

/** Instants from one on, with a step between them in seconds, and the number of each as its value. */
export function ramp(from: number, step_s: number, count: number): [ts: number, value: number][] {
  return Array.from({ length: count }, (_, at) => [from + at * step_s, at]);
}

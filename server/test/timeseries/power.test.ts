import { powerStreams } from "@ents-backend/schemas/measurement";
import { describe, expect, it } from "vitest";
import type { NewReading } from "../../src/timeseries/write.ts";
import { writeReadings } from "../support/write-readings.ts";
import { newCell } from "../support/cells.ts";
import { useDatabase } from "../support/database.ts";
import { nothing, reading, receivedAt } from "../support/new-readings.ts";

const database = useDatabase();

/** The one power of a cell, if there is one. */
async function powerOf(cellId: number) {
  return await database.db
    .selectFrom("reading")
    .innerJoin("sensor", "sensor.id", "sensor_id")
    .select(["value", "received_at"])
    .where("cell_id", "=", cellId)
    .where("name", "=", powerStreams.p.name)
    .executeTakeFirst();
}

describe("a Writer", () => {
  it.each([
    [1e200, 1e200, null],
    [1e300, 1, null],
    [-1e49, 1e49, (-1e49 * 1e49) / 1000],
    [1e-200, 1e-200, 0],
    [-5e-324, 1e40, 0],
    [0, 1e40, 0],
  ])("makes of %d mV and %d µA a power of %s µW", async (v, i, p) => {
    const cellId = await newCell(database);
    const written = await writeReadings(database.db, [
      reading(cellId, { stream: powerStreams.v, value: v }),
      reading(cellId, { stream: powerStreams.i, value: i }),
    ]);
    expect(written).toEqual({ ...nothing, stored: 2 });
    const power = await powerOf(cellId);
    expect(power?.value ?? null).toBe(p);
  });

  it.each([
    [60, 0],
    [0, 60],
  ])("stamps power with the receive time of its later half: %d s, %d s", async (ofV, ofI) => {
    const cellId = await newCell(database);
    const half = (stream: NewReading["stream"], later: number) =>
      reading(cellId, { stream, receivedAt: receivedAt + later });
    await writeReadings(database.db, [half(powerStreams.v, ofV)]);
    await writeReadings(database.db, [half(powerStreams.i, ofI)]);
    expect(await powerOf(cellId)).toEqual({
      value: 0.00225,
      received_at: new Date((receivedAt + 60) * 1000),
    });
  });
});

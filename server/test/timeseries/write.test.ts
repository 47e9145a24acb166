import { describe, expect, it } from "vitest";
import { writeReadings } from "../support/write-readings.ts";
import { newCell } from "../support/cells.ts";
import { useDatabase } from "../support/database.ts";
import { nothing, reading, receivedAt } from "../support/new-readings.ts";
import { rowsAdded } from "../support/rows.ts";

const database = useDatabase();

describe("a Writer", () => {
  it("makes more sensors at once than a statement has parameters for", async () => {
    const cells = await Promise.all(Array.from({ length: 20 }, () => newCell(database)));
    const streams = Array.from({ length: 700 }, (_, nth) => ({
      name: "made_up",
      measurement: `n${nth}`,
      unit: "",
    }));
    const many = cells.flatMap((cellId) => streams.map((stream) => reading(cellId, { stream })));
    expect(await writeReadings(database.db, many)).toEqual({ ...nothing, stored: 14_000 });
    const { count } = await database.db
      .selectFrom("sensor")
      .select((sensor) => sensor.fn.countAll<number>().as("count"))
      .where("cell_id", "in", cells)
      .executeTakeFirstOrThrow();
    expect(count).toBe(14_000);
  });

  it("writes nothing for nothing", async () => {
    const added = await rowsAdded(database.db, async () => {
      expect(await writeReadings(database.db, [])).toEqual(nothing);
    });
    expect(added).toEqual({});
  });

  it("writes all or nothing", async () => {
    const cellId = await newCell(database);
    const added = await rowsAdded(database.db, async () => {
      const written = writeReadings(database.db, [reading(cellId), reading(999_999)]);
      await expect(written).rejects.toThrow(/foreign key/);
    });
    expect(added).toEqual({});
  });

  it("writes thousands of readings at once", async () => {
    const cellId = await newCell(database);
    const many = Array.from({ length: 20_000 }, (_, ts) => reading(cellId, { ts, value: ts }));
    expect(await writeReadings(database.db, many)).toEqual({ ...nothing, stored: 20_000 });
    expect(await writeReadings(database.db, many.toReversed())).toEqual({
      ...nothing,
      repeated: 20_000,
    });
  });

  it("notes each logger that writes to a cell once, with its first time", async () => {
    const cellId = await newCell(database);
    const by = (loggerId: number | null, ts: number) =>
      reading(cellId, { loggerId, ts, receivedAt: receivedAt + ts });
    await writeReadings(database.db, [by(8, 1), by(9, 2), by(null, 3)]);
    await writeReadings(database.db, [by(8, 4)]);
    const seen = await database.db
      .selectFrom("logger_sighting")
      .select(["logger_id", "first_received_at"])
      .where("cell_id", "=", cellId)
      .orderBy("logger_id")
      .execute();
    expect(seen).toEqual([
      { logger_id: 8, first_received_at: new Date((receivedAt + 1) * 1000) },
      { logger_id: 9, first_received_at: new Date((receivedAt + 2) * 1000) },
    ]);
  });

  it("makes the sensors of a cell once, however many uploads bring them in whatever order", async () => {
    const cellId = await newCell(database);
    const names = ["a", "b", "c", "d"];
    const orders = Array.from({ length: 16 }, (_, at) => (at % 2 ? names : names.toReversed()));
    const write = async (order: readonly string[], ts: number) => {
      const readings = order.map((measurement) =>
        reading(cellId, { ts, stream: { name: "anemometer", measurement, unit: "" } }),
      );
      return await writeReadings(database.db, readings);
    };
    const added = await rowsAdded(database.db, async () => await Promise.all(orders.map(write)));
    expect(added).toEqual({ sensor: 4, reading: 64, logger_sighting: 1 });
  });
});

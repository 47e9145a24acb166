import { powerStreams } from "@ents-backend/schemas/measurement";
import { sensorType } from "@ents-backend/schemas/sensor";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { writeReadings, type NewReading, type Written } from "../../src/timeseries/write.ts";
import { newCell } from "../support/cells.ts";
import { useDatabase } from "../support/database.ts";
import { rowsAdded } from "../support/rows.ts";

const database = useDatabase();
const temperature = sensorType("BME280_TEMP");
const receivedAt = 1_705_363_200;
const nothing: Written = { stored: 0, repeated: 0, conflicting: 0 };

function reading(cellId: number, more: Partial<NewReading> = {}): NewReading {
  return {
    cellId,
    stream: temperature,
    dataType: "float",
    ts: 1_705_316_400,
    value: 1.5,
    receivedAt,
    loggerId: 7,
    ...more,
  };
}

/** A reading of one of two cells, to be made; few keys and values, so that they meet. */
const draft = fc.record({
  cell: fc.nat({ max: 1 }),
  stream: fc.constantFrom(powerStreams.v, powerStreams.i, temperature),
  ts: fc.nat({ max: 3 }),
  value: fc.constantFrom<(number | null)[]>(null, 0, 2, -3.5),
});
type Draft = typeof draft extends fc.Arbitrary<infer T> ? T : never;
const batches = fc.array(fc.array(draft, { maxLength: 8 }), { maxLength: 6 });

const keyOf = ({ cell, stream, ts }: Pick<Draft, "cell" | "stream" | "ts">) =>
  `${cell} ${stream.name} ${ts}`;

/** What the tables should hold: the first value of each key, and each other one that came for it. */
class Model {
  readonly values = new Map<string, number | null>();
  readonly conflicts = new Set<string>();

  write(batch: readonly Draft[]): Written {
    const fresh = batch.filter((one) => this.#isNew(one)).length;
    const others = batch.filter((one) => this.values.get(keyOf(one)) !== one.value);
    for (const one of others) this.conflicts.add(`${keyOf(one)} ${one.value}`);
    const conflicting = others.length;
    return { stored: fresh, repeated: batch.length - fresh - conflicting, conflicting };
  }

  #isNew(one: Draft): boolean {
    if (this.values.has(keyOf(one))) return false;
    this.values.set(keyOf(one), one.value);
    return true;
  }

  /** The values, and the power of each instant of which both halves are known. */
  table(): string[] {
    const rows = [...this.values].map(([key, value]) => `${key} ${value}`);
    for (const cell of [0, 1])
      for (const ts of [0, 1, 2, 3]) {
        const v = this.values.get(keyOf({ cell, stream: powerStreams.v, ts }));
        const i = this.values.get(keyOf({ cell, stream: powerStreams.i, ts }));
        if (typeof v === "number" && typeof i === "number")
          rows.push(`${cell} ${powerStreams.p.name} ${ts} ${(v * i) / 1000 + 0}`);
      }
    return rows.sort();
  }
}

async function twoCells(): Promise<[number, number]> {
  return [await newCell(database), await newCell(database)];
}

async function writeDrafts(cells: readonly number[], batch: readonly Draft[]): Promise<Written> {
  return await writeReadings(
    database.db,
    batch.map(({ cell, ...more }) => reading(cells[cell]!, more)),
  );
}

/** What a table holds of some cells, each row as "cell stream instant value". */
async function rowsOf(table: "reading" | "reading_conflict", cells: readonly number[]) {
  const rows = await database.db
    .selectFrom(table)
    .innerJoin("sensor", "sensor.id", "sensor_id")
    .select(["cell_id", "name", "ts", "value"])
    .where("cell_id", "in", [...cells])
    .execute();
  return rows
    .map(({ cell_id, name, ts, value }) => {
      const cell = cells.indexOf(cell_id);
      return `${cell} ${name} ${ts.getTime() / 1000} ${value === null ? null : value + 0}`;
    })
    .sort();
}

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

describe("writeReadings", () => {
  it("makes one table of repeats, conflicts and halves of power, in whatever order and split", async () => {
    await fc.assert(
      fc.asyncProperty(batches, fc.boolean(), async (sequence, oneByOne) => {
        const cells = await twoCells();
        const model = new Model();
        const split = oneByOne ? sequence.flat().map((one) => [one]) : sequence;
        for (const batch of split)
          expect(await writeDrafts(cells, batch)).toEqual(model.write(batch));
        expect(await rowsOf("reading", cells)).toEqual(model.table());
        expect(await rowsOf("reading_conflict", cells)).toEqual([...model.conflicts].sort());
      }),
      { numRuns: 40 },
    );
  });

  it("makes the same table of batches that come at once", async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (sequence) => {
        const cells = await twoCells();
        // One value for each key: which of two came first would be chance.
        const agreeing = sequence.map((batch) =>
          batch.map((one) => ({ ...one, value: one.ts === 3 ? null : one.ts + 1 })),
        );
        const written = await Promise.all(
          agreeing.map(async (batch) => await writeDrafts(cells, batch)),
        );
        const model = new Model();
        model.write(agreeing.flat());
        const stored = written.reduce((sum, one) => sum + one.stored, 0);
        expect(stored).toBe(model.values.size);
        expect(await rowsOf("reading", cells)).toEqual(model.table());
        expect(await rowsOf("reading_conflict", cells)).toEqual([]);
      }),
      { numRuns: 25 },
    );
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

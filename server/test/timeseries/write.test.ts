import { powerStreams } from "@ents-backend/schemas/measurement";
import { sensorType } from "@ents-backend/schemas/sensor";
import * as fc from "fast-check";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { checkRollup, listRolledUp } from "../../src/timeseries/rollup.ts";
import { foldRollups } from "../../src/timeseries/rollup-deltas.ts";
import {
  writeReadings,
  Writer,
  type NewReading,
  type Written,
} from "../../src/timeseries/write.ts";
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

/** Hours and days begin at these: Unix seconds, of 1969 to 2106. */
const borders = [
  -86_400, -3600, 0, 3600, 86_400, 946_684_800, 951_782_400, 1_705_276_800, 1_705_280_400,
  4_294_965_600, 4_294_944_000,
];
const edges = [
  0, 1, -1, 0.5, -0.5, 1e-6, -1e-6, 4e-7, -4e-7, -5.2e-7, 5e-7, -5e-7, 6e-7, -6e-7, 1e-9, -1e-9,
];
const instant = fc.oneof(
  fc
    .tuple(fc.constantFrom(...borders), fc.constantFrom(...edges))
    .map(([border, edge]) => border + edge),
  fc.constant(4_294_967_295),
  fc.double({ min: -1e5, max: 4_294_967_295, noNaN: true }),
);
const oddValues = [
  null,
  -0,
  0,
  2,
  -3.5,
  0.1,
  1e160,
  -1e160,
  1e150,
  1e149,
  -1e149,
  1e50,
  -9.9e49,
  1e-150,
  9.9e-151,
  1e-200,
  -5e-324,
  Number.MAX_VALUE,
];
const anyValue = fc.oneof(
  fc.constantFrom(...oddValues),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
);
const place = { cell: fc.nat({ max: 1 }), ts: instant };
/** A reading, or both halves of a power. */
const group = fc.oneof(
  fc
    .record({ ...place, value: anyValue, stream: fc.constantFrom(temperature, powerStreams.v) })
    .map((one) => [one]),
  fc.record({ ...place, v: anyValue, i: anyValue }).map(({ v, i, ...at }) => [
    { ...at, value: v, stream: powerStreams.v },
    { ...at, value: i, stream: powerStreams.i },
  ]),
);
const sequences = fc.array(
  fc.array(group, { maxLength: 12 }).map((groups) => groups.flat()),
  { maxLength: 5 },
);

/** Where a rollup of some cells is not what their readings come to: count and extremes exactly, sums nearly. */
async function faultsOf(rollup: "rollup_hour" | "rollup_day", cells: readonly number[]) {
  const unit = rollup === "rollup_hour" ? "hour" : "day";
  const { rows } = await sql<object>`
    with sensor as (select id from sensor where cell_id = any(${cells}::int[])), raw as (
      select sensor_id, date_trunc(${unit}, ts, 'UTC') as bucket, count(*) as readings,
        count(summed) as count, coalesce(sum(summed), 0) as sum, coalesce(sum(abs(summed)), 0) as size,
        min(summed) as min, max(summed) as max
      from (
        select sensor_id, ts, case when abs(value) < 1e150 then value end as summed
        from reading where sensor_id in (select id from sensor)
      ) as reading
      group by 1, 2
    ), kept as (select * from ${sql.table(rollup)} where sensor_id in (select id from sensor))
    select to_jsonb(raw) as raw, to_jsonb(kept) as kept from raw full join kept using (sensor_id, bucket)
    where (raw.readings, raw.count, raw.min, raw.max)
      is distinct from (kept.readings, kept.count, kept.min, kept.max)
      or not coalesce(abs(raw.sum - kept.sum) <= 1e-9 * greatest(raw.size, 1e-200), false)`.execute(
    database.db,
  );
  return rows;
}

/** As they are read, with what isn't folded into them yet; and as they are once it is. */
async function expectExactRollups(cells: readonly number[]): Promise<void> {
  const { db } = database;
  const sensors = await Promise.all(cells.map((cell) => listRolledUp(db, cell)));
  for (const { id } of sensors.flat())
    for (const unit of ["hour", "day"] as const)
      expect(await checkRollup(db, id, unit)).toMatchObject({ differing: 0 });
  await foldRollups(db);
  expect(await faultsOf("rollup_hour", cells)).toEqual([]);
  expect(await faultsOf("rollup_day", cells)).toEqual([]);
}

/** All that is kept of some cells' readings, but for sums, which depend on the order of their terms. */
async function keptOf(cells: readonly number[]) {
  await foldRollups(database.db);
  const streams = sql`
    (select id as sensor_id, array_position(${cells}::int[], cell_id) as cell, name from sensor
      where cell_id = any(${cells}::int[])) as stream`;
  const { rows: readings } = await sql<object>`
    select cell, name, ts::text, value, received_at, logger_id from reading join ${streams} using (sensor_id)
    order by cell, name, reading.ts`.execute(database.db);
  const rollup = async (table: "rollup_hour" | "rollup_day") =>
    (
      await sql<object>`
        select cell, name, bucket::text, count, readings, min, max
        from ${sql.table(table)} as rollup join ${streams} using (sensor_id)
        order by cell, name, rollup.bucket`.execute(database.db)
    ).rows;
  return { readings, hours: await rollup("rollup_hour"), days: await rollup("rollup_day") };
}

/** Readings of which each has another key, as far as the database tells instants apart. */
function withoutRepeats(sequence: readonly (readonly Draft[])[]): Draft[][] {
  const seen = new Set<string>();
  return sequence.map((batch) =>
    batch.filter((one) => {
      const key = keyOf({ ...one, ts: Math.round(one.ts * 1e5) });
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    }),
  );
}

describe("rollups by hour and day", () => {
  it("are what the readings come to, after repeats, conflicts and halves of power, at any border", async () => {
    await fc.assert(
      fc.asyncProperty(sequences, async (sequence) => {
        const cells = await twoCells();
        const writer = new Writer(database.db);
        // The first batch comes again as the last one.
        for (const batch of [...sequence, ...sequence.slice(0, 1)]) {
          const readings = batch.map(({ cell, ...more }) => reading(cells[cell]!, more));
          await writer.write([readings], undefined);
        }
        await expectExactRollups(cells);
      }),
      { numRuns: 60 },
    );
  });

  it("are what the readings come to when writers bring them at once", async () => {
    await fc.assert(
      fc.asyncProperty(sequences, async (sequence) => {
        const cells = await twoCells();
        await Promise.all(sequence.map(async (batch) => await writeDrafts(cells, batch)));
        await expectExactRollups(cells);
      }),
      { numRuns: 25 },
    );
  });

  it.each(borders.flatMap((border) => edges.map((edge) => [border + edge])))(
    "have a new reading of %d s in its hour and day",
    async (ts) => {
      const cellId = await newCell(database);
      await writeReadings(database.db, [reading(cellId, { ts })]);
      await expectExactRollups([cellId]);
    },
  );

  it("can be checked where a reading is next to nothing", async () => {
    const cellId = await newCell(database);
    await writeReadings(database.db, [reading(cellId, { value: 5e-324 })]);
    const { id } = await database.db
      .selectFrom("sensor")
      .select("id")
      .where("cell_id", "=", cellId)
      .executeTakeFirstOrThrow();
    expect(await checkRollup(database.db, id, "hour")).toEqual({ buckets: 1, differing: 0 });
  });

  it("have everything once, however many fold what others store meanwhile", async () => {
    const cells = [await newCell(database), await newCell(database)];
    const folds = Array.from({ length: 40 }, () => foldRollups(database.db));
    const writes = Array.from({ length: 40 }, (_, at) =>
      writeReadings(
        database.db,
        cells.map((cell) => reading(cell, { ts: 1800 * at })),
      ),
    );
    await Promise.all([...folds, ...writes]);
    await expectExactRollups(cells);
  });

  it("learn what was stored after some batches, without being asked", async () => {
    const cellId = await newCell(database);
    const writer = new Writer(database.db);
    for (let at = 0; at < 100; at += 1)
      await writer.write([[reading(cellId, { ts: at })]], undefined);
    const waiting = async () => {
      const { rows } = await sql<{ count: number }>`
        select count(*)::int as count from rollup_delta`.execute(database.db);
      return rows[0]!.count;
    };
    await expect.poll(waiting).toBeLessThan(40);
    await expectExactRollups([cellId]);
  });

  it("learn all the same in a database that was copied from a server with more transactions", async () => {
    const cellId = await newCell(database);
    await sql`update rollup_fold set xid = '1000000000000'`.execute(database.db);
    for (const ts of [1, 2]) {
      await writeReadings(database.db, [reading(cellId, { ts })]);
      await expectExactRollups([cellId]);
    }
  });

  it("learn nothing of cells that are deleted", async () => {
    const cellId = await newCell(database);
    await writeReadings(database.db, [reading(cellId)]);
    const [sensor] = await listRolledUp(database.db, cellId);
    await database.db.deleteFrom("cell").where("id", "=", cellId).execute();
    await foldRollups(database.db);
    for (const table of ["rollup_hour", "rollup_day"] as const)
      expect(
        await database.db
          .selectFrom(table)
          .selectAll()
          .where("sensor_id", "=", sensor!.id)
          .execute(),
      ).toEqual([]);
  });
});

describe("a writer", () => {
  it("keeps the same whether it takes readings for new ones or is careful", async () => {
    await fc.assert(
      fc.asyncProperty(sequences, async (sequence) => {
        const kept = [];
        for (const careful of [false, true]) {
          const cells = await twoCells();
          const other = reading(await newCell(database));
          const writer = new Writer(database.db);
          if (careful) await writer.write([[other, other]], undefined);
          for (const batch of withoutRepeats(sequence)) {
            const readings = batch.map(({ cell, ...more }, at) =>
              reading(cells[cell]!, { ...more, receivedAt: receivedAt + at, loggerId: at }),
            );
            expect(await writer.write([readings], undefined)).toEqual([
              { ...nothing, stored: batch.length },
            ]);
          }
          await expectExactRollups(cells);
          kept.push(await keptOf(cells));
        }
        expect(kept[0]).toEqual(kept[1]);
      }),
      { numRuns: 50 },
    );
  });

  it("says of each group what became of it, when they repeat each other", async () => {
    const cellId = await newCell(database);
    const [a, b, other] = [{ ts: 1 }, { ts: 2 }, { ts: 1, value: 9 }].map((more) =>
      reading(cellId, more),
    );
    const written = await new Writer(database.db).write([[a!], [], [b!, a!], [other!]], undefined);
    expect(written).toEqual([
      { ...nothing, stored: 1 },
      nothing,
      { ...nothing, stored: 1, repeated: 1 },
      { ...nothing, conflicting: 1 },
    ]);
    expect(await rowsOf("reading", [cellId])).toHaveLength(2);
    await expectExactRollups([cellId]);
  });
});

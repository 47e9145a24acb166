import * as fc from "fast-check";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { checkRollup } from "../../src/timeseries/rollup.ts";
import { listAllSensors } from "../../src/timeseries/sensors.ts";
import { foldRollups } from "../../src/timeseries/rollup-deltas.ts";
import { Writer } from "../../src/timeseries/write.ts";
import { writeReadings } from "../support/write-readings.ts";
import { newCell } from "../support/cells.ts";
import { useDatabase } from "../support/database.ts";
import { borders, draftsIn, edges, sequences } from "../support/drafts.ts";
import { reading } from "../support/new-readings.ts";
import { exactRollupsIn } from "../support/rollups.ts";

const database = useDatabase();
const { twoCells, writeDrafts } = draftsIn(database);
const expectExactRollups = exactRollupsIn(database);

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
    const [sensor] = await listAllSensors(database.db, cellId);
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

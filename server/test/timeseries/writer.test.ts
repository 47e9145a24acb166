import * as fc from "fast-check";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { foldRollups } from "../../src/timeseries/rollup-deltas.ts";
import { Writer } from "../../src/timeseries/write.ts";
import { newCell } from "../support/cells.ts";
import { useDatabase } from "../support/database.ts";
import { draftsIn, keyOf, sequences, type Draft } from "../support/drafts.ts";
import { nothing, reading, receivedAt } from "../support/new-readings.ts";
import { exactRollupsIn } from "../support/rollups.ts";

const database = useDatabase();
const { twoCells, rowsOf } = draftsIn(database);
const expectExactRollups = exactRollupsIn(database);

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

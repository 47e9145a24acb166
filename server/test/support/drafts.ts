import { powerStreams } from "@ents-backend/schemas/measurement";
import * as fc from "fast-check";
import type { NewReading, Written } from "../../src/timeseries/write.ts";
import { writeReadings } from "./write-readings.ts";
import { newCell } from "./cells.ts";
import type { TestDatabase } from "./database.ts";
import { reading, temperature } from "./new-readings.ts";

/** A reading of one of some cells, by its place among them, to be made. */
export interface Draft extends Pick<NewReading, "stream" | "ts" | "value"> {
  readonly cell: number;
}

/** What the database tells readings apart by. */
export const keyOf = ({ cell, stream, ts }: Pick<Draft, "cell" | "stream" | "ts">) =>
  `${cell} ${stream.name} ${ts}`;

/** Hours and days begin at these: Unix seconds, of 1969 to 2106. */
export const borders = [
  -86_400, -3600, 0, 3600, 86_400, 946_684_800, 951_782_400, 1_705_276_800, 1_705_280_400,
  4_294_965_600, 4_294_944_000,
];
/** How far from a border, in seconds. */
export const edges = [
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
/** Batches of what may come at any border, with values that are hard to sum up. */
export const sequences = fc.array(
  fc.array(group, { maxLength: 12 }).map((groups) => groups.flat()),
  { maxLength: 5 },
);

/** Cells in a database, what is written to them, and what its tables hold of them then. */
export function draftsIn(database: Pick<TestDatabase, "db">) {
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

  return { twoCells, writeDrafts, rowsOf };
}

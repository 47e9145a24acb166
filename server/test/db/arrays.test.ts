import { array, assert, asyncProperty, double, integer, maxSafeInteger, option } from "fast-check";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { float8s, int4s, int8s } from "../../src/db/arrays.ts";
import { useDatabase } from "../support/database.ts";

describe("arrays in binary", () => {
  const database = useDatabase();

  it.each([
    ["integer", int4s, integer()],
    ["bigint", int8s, maxSafeInteger()],
    ["double precision", float8s, double({ noNaN: true }).map((value) => value + 0)],
  ] as const)("bring every list of %s to the database as it is", async (type, encode, numbers) => {
    await assert(
      asyncProperty(array(option(numbers)), async (values) => {
        const { rows } = await sql<{ value: number | null }>`
          select value from unnest(${encode(values, asIs)}::${sql.raw(type)}[])
            with ordinality as item (value, nth) order by nth`.execute(database.db);
        expect(rows.map(({ value }) => value)).toEqual(values);
      }),
      { numRuns: 50 },
    );
  });

  it("have no negative zero", async () => {
    const { rows } = await sql<{ text: string }>`
      select ${float8s([-0], asIs)}::float8[]::text as text`.execute(database.db);
    expect(rows).toEqual([{ text: "{0}" }]);
  });
});

function asIs(value: number | null): number | null {
  return value;
}

import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Db } from "../../src/db/connect.ts";
import { openMetrics } from "../../src/metrics.ts";
import { Placer } from "../../src/ingest/place.ts";
import type { Measurement } from "../../src/ingest/uplink.ts";
import { createCell } from "../../src/store/cells.ts";
import { readDirectoryVersion } from "../../src/store/directory.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { silentLog } from "../support/log.ts";

/** Two databases with the same history, but for which sensor of their one cell came first. */
let databases: [TestDatabase, TestDatabase];
let names: [string, string];
beforeAll(async () => {
  databases = [await createTestDatabase(), await createTestDatabase()];
  names = await Promise.all([schemaOf(databases[0].db), schemaOf(databases[1].db)]);
  for (const { db } of databases) await createCell(db, { name: "one", uploadPolicy: "open" });
});
afterAll(async () => {
  for (const database of databases) await database.drop();
});

async function schemaOf(db: Db): Promise<string> {
  const { rows } = await sql<{ name: string }>`select current_schema() as name`.execute(db);
  return rows[0]!.name;
}

function measurement(name: string, ts: number): Measurement {
  const stream = { name, measurement: "x", unit: "" };
  const values = [{ stream, dataType: "int", value: ts }] as const;
  return { cell: { id: 1 }, logger: undefined, ts, values, idx: 0 };
}

function newPlacer(db: Db): Placer {
  return new Placer({
    db,
    settings: { defaultUploadPolicy: "key" },
    log: silentLog,
    metrics: openMetrics(),
    quarantine: { noteKept: () => {} },
    sightings: { note: () => {} },
    identify: async () => ({ kind: "nobody" }),
  });
}

async function place(placer: Placer, ...measurements: Measurement[]): Promise<void> {
  const uplink = {
    id: randomUUID(),
    format: undefined,
    payload: Buffer.alloc(0),
    receivedAt: 1,
    credentials: { kind: "open", address: "::1" },
    path: "/",
    headers: {},
  } as const;
  const settled = await placer.place([{ uplink, content: { measurements } }]);
  expect(settled).toMatchObject([{ ok: true }]);
}

async function readingsIn(db: Db) {
  const { rows } = await sql<{ name: string; value: number }>`
    select name, value from reading join sensor on sensor.id = sensor_id order by value`.execute(
    db,
  );
  return rows.map(({ name, value }) => [name, value]);
}

describe("the version of the directory", () => {
  it("is another one in every database, and after every change", async () => {
    const versions = new Set<number>();
    for (const { db } of databases)
      for (let n = 0; n < 10; n += 1) {
        versions.add(await readDirectoryVersion(db));
        await createLogger(db, { name: randomUUID(), userId: null });
      }
    expect(versions.size).toBe(20);
    for (const version of versions) expect(Number.isSafeInteger(version)).toBe(true);
  });

  it("tells a database that has taken another one's place: nothing goes to sensors that were remembered", async () => {
    const [mine, other] = databases.map(({ db }) => db) as [Db, Db];
    const placer = newPlacer(mine);
    await place(placer, measurement("mine", 1));
    await place(newPlacer(other), measurement("other", 1));
    const [here, there] = names.map((name) => sql.id(name));
    await sql`alter schema ${here} rename to set_aside`.execute(mine);
    await sql`alter schema ${there} rename to ${here}`.execute(mine);
    await sql`alter schema set_aside rename to ${there}`.execute(mine);
    await place(placer, measurement("mine", 2));
    expect(await readingsIn(mine)).toEqual([
      ["other", 1],
      ["mine", 2],
    ]);
    expect(await readingsIn(other)).toEqual([["mine", 1]]);
  });
});

import { sql } from "kysely";
import { expect, it } from "vitest";
import type { Ingest } from "../../src/ingest/ingest.ts";
import { Sightings } from "../../src/ingest/sightings.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { readLastReceived } from "../../src/store/sightings.ts";
import { testIngest, useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { newCell } from "../support/cells.ts";
import { reading } from "../support/new-readings.ts";
import { uploadVoltage } from "../support/quarantine.ts";
import { rowsAdded } from "../support/rows.ts";
import { newUser } from "../support/users.ts";

let ingest: Ingest;
const api = useApi(undefined, ({ db }) => ({ ingest: (ingest = testIngest(db)) }));

async function lastReceived(loggerId: number): Promise<number | undefined> {
  const at = (await readLastReceived(api.db, [loggerId])).get(loggerId);
  return at && at.getTime() / 1000;
}

async function newLogger(userId: string | null = null): Promise<number> {
  return (await createLogger(api.db, { name: crypto.randomUUID(), userId })).id;
}

it("says when a logger was last heard of, whatever time its readings have, new or not", async () => {
  const [cellId, other] = [await newCell(api), await newCell(api)];
  const loggerId = await newLogger();
  const begun = api.now;
  expect(await uploadVoltage(api, cellId, { loggerId })).toBe(200);
  expect(await lastReceived(loggerId)).toBeUndefined();
  const added = await rowsAdded(api.db, async () => await ingest.noteSightings());
  expect(added).toEqual({});
  expect(await lastReceived(loggerId)).toBe(begun);

  api.now = begun + 60;
  expect(await uploadVoltage(api, cellId, { loggerId })).toBe(200);
  await ingest.noteSightings();
  expect(await lastReceived(loggerId)).toBe(begun + 60);

  api.now = begun + 90;
  expect(await uploadVoltage(api, other, { loggerId })).toBe(200);
  await ingest.noteSightings();
  expect(await lastReceived(loggerId)).toBe(begun + 90);
  expect(await lastReceived(await newLogger())).toBeUndefined();
});

it("doesn't count what has no place", async () => {
  const loggerId = await newLogger();
  expect(await uploadVoltage(api, 999, { loggerId })).toBe(400);
  await ingest.noteSightings();
  expect(await lastReceived(loggerId)).toBeUndefined();
});

it("stays where something older is applied later, as the journal does", async () => {
  const cellId = await newCell(api);
  const loggerId = await newLogger();
  expect(await uploadVoltage(api, cellId, { loggerId })).toBe(200);
  await ingest.noteSightings();
  const sightings = new Sightings(api.db);
  sightings.note([reading(cellId, { loggerId, receivedAt: api.now - 3600 })]);
  await sightings.save();
  expect(await lastReceived(loggerId)).toBe(api.now);
});

it("is written down the next time where it can't be at first", async () => {
  const cellId = await newCell(api);
  const loggerId = await newLogger();
  expect(await uploadVoltage(api, cellId, { loggerId })).toBe(200);
  await sql`alter table logger_sighting rename to away`.execute(api.db);
  await expect(ingest.noteSightings()).rejects.toThrow("logger_sighting");
  await sql`alter table away rename to logger_sighting`.execute(api.db);
  await ingest.noteSightings();
  expect(await lastReceived(loggerId)).toBe(api.now);
});

it("is told to the logger's owner, and to nobody else", async () => {
  const [ada, bob] = [await newUser(api), await newUser(api)];
  const cellId = await newCell(api);
  const loggerId = await newLogger(ada.id);
  expect(await uploadVoltage(api, cellId, { loggerId })).toBe(200);
  await ingest.noteSightings();
  const told = async (who: typeof ada) =>
    (await as(api, who).get(`/api/logger/${loggerId}`)).json<{ last_received_at: string | null }>()
      .last_received_at;
  expect(await told(ada)).toBe(new Date(api.now * 1000).toISOString());
  expect(await told(bob)).toBeNull();
});

import { powerStreams } from "@ents-backend/schemas/measurement";
import { isSameStream, type DataType, type Stream } from "@ents-backend/schemas/sensor";
import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { transact } from "../db/transact.ts";
import { ensureSensors } from "./sensors.ts";

/** A reading that has its place: its cell exists and takes it. */
export interface NewReading {
  readonly cellId: number;
  readonly stream: Stream;
  readonly dataType: DataType;
  /** Unix seconds, by the device's clock. */
  readonly ts: number;
  /** In the stream's unit; null when the device sent no number. */
  readonly value: number | null;
  /** Unix seconds, by the server's clock. */
  readonly receivedAt: number;
  readonly loggerId: number | null;
}

/** How many of the readings were new, were there already, or had another value for their instant. */
export interface Written {
  readonly stored: number;
  readonly repeated: number;
  readonly conflicting: number;
}

/**
 * Stores readings, all or none. (sensor, instant) is the key: what comes again changes nothing, and of two
 * values the first stays while the second is kept beside it, as a conflict. Power, the product of a voltage
 * and a current, is stored as soon as both halves of an instant are there.
 *
 * Answers after the commit.
 */
export async function writeReadings(db: Db, readings: readonly NewReading[]): Promise<Written> {
  if (readings.length === 0) return { stored: 0, repeated: 0, conflicting: 0 };
  const halves = readings.filter(isHalfOfPower);
  return await transact(db, async (transaction) => {
    const rows = await toRows(transaction, readings);
    const powerIds = await lockPower(transaction, halves);
    const stored = await insertNew(transaction, rows);
    const conflicting = stored < rows.ts.length ? await insertConflicts(transaction, rows) : 0;
    await insertPower(transaction, powerIds, halves);
    await insertSightings(transaction, readings);
    return { stored, repeated: rows.ts.length - stored - conflicting, conflicting };
  });
}

/** One array a column, which is how PostgreSQL takes many rows with one plan; ordered by the key. */
interface Rows {
  readonly sensorId: number[];
  readonly ts: number[];
  readonly value: (number | null)[];
  readonly receivedAt: number[];
  readonly loggerId: (number | null)[];
}

async function toRows(db: Db, readings: readonly NewReading[]): Promise<Rows> {
  const ids = await ensureSensors(db, readings);
  // Transactions that insert the same keys must take them in the same order, or they wait for each other.
  const order = ids
    .map((_, at) => at)
    .sort((a, b) => ids[a]! - ids[b]! || readings[a]!.ts - readings[b]!.ts || a - b);
  return {
    sensorId: order.map((at) => ids[at]!),
    ts: order.map((at) => readings[at]!.ts),
    value: order.map((at) => readings[at]!.value),
    receivedAt: order.map((at) => readings[at]!.receivedAt),
    loggerId: order.map((at) => readings[at]!.loggerId),
  };
}

/** The rows as a table that statements can select from. */
function asTable({ sensorId, ts, value, receivedAt, loggerId }: Rows) {
  return sql`(
    select sensor_id, to_timestamp(ts) as ts, value, to_timestamp(received_at) as received_at, logger_id
    from unnest(${sensorId}::int[], ${ts}::float8[], ${value}::float8[], ${receivedAt}::float8[], ${loggerId}::bigint[])
      as input (sensor_id, ts, value, received_at, logger_id)
  ) as input`;
}

async function insertNew(db: Db, rows: Rows): Promise<number> {
  const result = await sql`
    insert into reading (sensor_id, ts, value, received_at, logger_id)
    select sensor_id, ts, value, received_at, logger_id from ${asTable(rows)}
    on conflict (sensor_id, ts) do nothing`.execute(db);
  return Number(result.numAffectedRows ?? 0);
}

/** @returns how many of the rows have another value than the one that is stored */
async function insertConflicts(db: Db, rows: Rows): Promise<number> {
  const { rows: counted } = await sql<{ count: number }>`
    with conflicting as (
      select input.* from ${asTable(rows)} join reading using (sensor_id, ts)
      where reading.value is distinct from input.value
    ), kept as (
      insert into reading_conflict (sensor_id, ts, value, received_at, logger_id)
      select sensor_id, ts, value, received_at, logger_id from conflicting
      order by sensor_id, ts, value
      on conflict do nothing
    )
    select count(*) as count from conflicting`.execute(db);
  return counted[0]!.count;
}

/**
 * Finds or makes the power sensors of the cells that voltages or currents came for, and locks them until the
 * commit: two transactions that bring one half each must not both miss the other's.
 */
async function lockPower(db: Db, halves: readonly NewReading[]): Promise<number[]> {
  if (halves.length === 0) return [];
  const cellIds = [...new Set(halves.map(({ cellId }) => cellId))];
  const ids = await ensureSensors(
    db,
    cellIds.map((cellId) => ({ cellId, stream: powerStreams.p, dataType: "float" })),
  );
  await sql`select from sensor where id = any(${ids}::int[]) order by id for no key update`.execute(
    db,
  );
  return ids;
}

function isHalfOfPower({ stream }: NewReading): boolean {
  return isSameStream(stream, powerStreams.v) || isSameStream(stream, powerStreams.i);
}

/**
 * mV·µA/1000 = µW. PostgreSQL fails where a product leaves the range of its numbers, and a corrupted message must
 * not take others with it: what is next to nothing has no power, and what is past all bounds has none to tell.
 */
const product = sql`case when least(abs(v.value), abs(i.value)) < 1e-150 then 0 else v.value * i.value / 1000 end`;
const isBounded = sql`greatest(abs(v.value), abs(i.value)) < 1e50`;

/**
 * Fills in p = v·i at the instants of some halves, where the other is known and p is not. `offset 0` keeps the
 * planner at one look at the key per instant: free to join, it reads the cell's whole history.
 */
async function insertPower(
  db: Db,
  powerIds: readonly number[],
  halves: readonly NewReading[],
): Promise<void> {
  if (halves.length === 0) return;
  const instants = [...new Set(halves.map(({ ts }) => ts))];
  await sql`
    insert into reading (sensor_id, ts, value, received_at, logger_id)
    select power.id, v.ts, ${product}, greatest(v.received_at, i.received_at), v.logger_id
    from sensor power
    join sensor voltage on voltage.cell_id = power.cell_id and ${is("voltage", powerStreams.v)}
    join sensor current on current.cell_id = power.cell_id and ${is("current", powerStreams.i)}
    cross join (select to_timestamp(ts) as ts from unnest(${instants}::float8[]) as instant (ts)) as instant
    cross join lateral (select * from reading where sensor_id = voltage.id and ts = instant.ts offset 0) as v
    cross join lateral (select * from reading where sensor_id = current.id and ts = instant.ts offset 0) as i
    where power.id = any(${powerIds}::int[]) and v.value is not null and i.value is not null and ${isBounded}
    order by power.id, v.ts
    on conflict (sensor_id, ts) do nothing`.execute(db);
}

/** Whether a row of the table `sensor` is of a stream. */
function is(alias: string, { name, measurement }: Stream) {
  return sql`${sql.ref(`${alias}.name`)} = ${name} and ${sql.ref(`${alias}.measurement`)} = ${measurement}`;
}

/** Remembers which logger numbers have written to which cells, registered or not. */
async function insertSightings(db: Db, readings: readonly NewReading[]): Promise<void> {
  const seen = new Map(
    readings.flatMap(({ loggerId, cellId, receivedAt }) =>
      loggerId === null
        ? []
        : [[`${loggerId} ${cellId}`, { loggerId, cellId, receivedAt }] as const],
    ),
  );
  if (seen.size === 0) return;
  await db
    .insertInto("logger_sighting")
    .values(
      [...seen.entries()]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, { loggerId, cellId, receivedAt }]) => ({
          logger_id: loggerId,
          cell_id: cellId,
          first_received_at: new Date(receivedAt * 1000),
        })),
    )
    .onConflict((conflict) => conflict.columns(["logger_id", "cell_id"]).doNothing())
    .execute();
}

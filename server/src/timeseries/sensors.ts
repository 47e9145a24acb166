import { powerStream, type DataType, type Stream } from "@ents-backend/schemas/sensor";
import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { transact } from "../db/transact.ts";

/** A stream of readings of one cell. */
export interface Sensor {
  readonly id: number;
  readonly cell_id: number;
  readonly name: string;
  readonly measurement: string;
  readonly unit: string;
  readonly data_type: DataType;
}

/** A stream that readings have come for. */
export interface WantedSensor {
  readonly cellId: number;
  readonly stream: Stream;
  readonly dataType: DataType;
}

const columns = ["id", "cell_id", "name", "measurement", "unit", "data_type"] as const;

/** The sensors of a cell in the order of their first readings; its power, made of two of them, is none. */
export async function listSensors(db: Db, cellId: number): Promise<Sensor[]> {
  return await db
    .selectFrom("sensor")
    .select(columns)
    .where("cell_id", "=", cellId)
    .where("name", "!=", powerStream.name)
    .orderBy("id")
    .execute();
}

/** The sensors of some streams of a cell, as far as they exist, by `name measurement`. */
export async function findSensors(
  db: Db,
  cellId: number,
  streams: readonly Pick<Stream, "name" | "measurement">[],
): Promise<Map<string, Sensor>> {
  const rows = await db
    .selectFrom("sensor")
    .select(columns)
    .where("cell_id", "=", cellId)
    .where("name", "in", [...new Set(streams.map(({ name }) => name))])
    .execute();
  return new Map(rows.map((row) => [streamKey(row), row]));
}

/** What tells the streams of one cell apart. */
export function streamKey({ name, measurement }: Pick<Stream, "name" | "measurement">): string {
  return JSON.stringify([name, measurement]);
}

/**
 * The numbers of some sensors, made where they don't exist yet. One that has held whole numbers only becomes
 * "float" with its first other number.
 *
 * @returns ids in the order of `wanted`
 */
export async function ensureSensors(db: Db, wanted: readonly WantedSensor[]): Promise<number[]> {
  const known = await selectSensors(db, wanted);
  const missing = wanted.filter(
    (sensor) => known.get(sensorKey(sensor)) === undefined || widens(sensor, known),
  );
  if (missing.length > 0) {
    const made = await transact(db, async (transaction) => {
      await lockCells(transaction, wanted);
      return await upsertSensors(transaction, missing);
    });
    for (const [key, row] of made) known.set(key, row);
  }
  return wanted.map((sensor) => known.get(sensorKey(sensor))!.id);
}

type Known = Map<string, { id: number; dataType: DataType }>;

function sensorKey({ cellId, stream }: WantedSensor): string {
  return `${cellId} ${streamKey(stream)}`;
}

function widens(sensor: WantedSensor, known: Known): boolean {
  return sensor.dataType === "float" && known.get(sensorKey(sensor))!.dataType === "int";
}

async function selectSensors(db: Db, wanted: readonly WantedSensor[]): Promise<Known> {
  const rows = await db
    .selectFrom("sensor")
    .select(columns)
    .where("cell_id", "in", [...new Set(wanted.map(({ cellId }) => cellId))])
    .where("name", "in", [...new Set(wanted.map(({ stream }) => stream.name))])
    .execute();
  return index(rows);
}

/**
 * Sensors are numbered in the order in which a message names them. Two transactions that make the same ones in
 * different orders would wait for each other, so they queue for the cells first.
 */
async function lockCells(db: Db, wanted: readonly WantedSensor[]): Promise<void> {
  const ids = [...new Set(wanted.map(({ cellId }) => cellId))];
  await sql`select from cell where id = any(${ids}::int[]) order by id for no key update`.execute(
    db,
  );
}

async function upsertSensors(db: Db, wanted: readonly WantedSensor[]): Promise<Known> {
  const rows = await db
    .insertInto("sensor")
    .values(
      distinct(wanted).map(({ cellId, stream: { name, measurement, unit }, dataType }) => ({
        cell_id: cellId,
        name,
        measurement,
        unit,
        data_type: dataType,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(["cell_id", "name", "measurement"]).doUpdateSet({
        data_type: sql`case when excluded.data_type = 'float' then 'float' else sensor.data_type end`,
      }),
    )
    .returning(columns)
    .execute();
  return index(rows);
}

/** Each sensor once, where it was first wanted; "float" if that was wanted anywhere. */
function distinct(wanted: readonly WantedSensor[]): WantedSensor[] {
  const sensors = new Map<string, WantedSensor>();
  for (const sensor of wanted) {
    const key = sensorKey(sensor);
    if (!sensors.has(key) || sensor.dataType === "float") sensors.set(key, sensor);
  }
  return [...sensors.values()];
}

function index(rows: readonly Sensor[]): Known {
  return new Map(
    rows.map((row) => [
      sensorKey({ cellId: row.cell_id, stream: row, dataType: row.data_type }),
      { id: row.id, dataType: row.data_type },
    ]),
  );
}

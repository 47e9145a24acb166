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

/** The sensors of a cell that have at least one reading, by name and measurement. */
export async function listSensorsWithReadings(db: Db, cellId: number): Promise<Sensor[]> {
  return await db
    .selectFrom("sensor")
    .select(columns)
    .where("cell_id", "=", cellId)
    .where("name", "!=", powerStream.name)
    .where(sql<boolean>`exists (select from reading where sensor_id = sensor.id)`)
    .orderBy(sql`name collate "C"`)
    .orderBy(sql`measurement collate "C"`)
    .execute();
}

/** Every sensor, power included; of one cell where it is given. */
export async function listAllSensors(db: Db, cellId: number | undefined): Promise<Sensor[]> {
  return await db
    .selectFrom("sensor")
    .select(columns)
    .$if(cellId !== undefined, (query) => query.where("cell_id", "=", cellId!))
    .orderBy("cell_id")
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

/** The sensors of some cells in the order of their first readings; power, though made of two of them, is one here. */
export async function listStreams(db: Db, cellIds: readonly number[]): Promise<Sensor[]> {
  return await db
    .selectFrom("sensor")
    .select(columns)
    .where(sql<boolean>`cell_id = any(${cellIds}::int[])`)
    .orderBy("id")
    .execute();
}

/** How many sensors a cell has at most. More are no node's, but numbers that someone makes up. */
export const sensorsPerCell = 1000;

type StreamName = Pick<Stream, "name" | "measurement">;

/** Most streams are those of the table of sensors, and asked about all the time. */
const streamKeys = new WeakMap<StreamName, string>();

/** What tells the streams of one cell apart. */
export function streamKey(stream: StreamName): string {
  let key = streamKeys.get(stream);
  if (key === undefined) streamKeys.set(stream, (key = `${stream.name}\0${stream.measurement}`));
  return key;
}

/**
 * The numbers of sensors, found, remembered, and made where they don't exist yet. One that has held whole numbers
 * only becomes "float" with its first other number.
 *
 * A number that is remembered is good as long as its cell is there.
 */
export class SensorIds {
  readonly #db: Db;
  readonly #cells = new Map<number, Map<string, KnownSensor>>();
  #remembered = 0;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Cells and sensors that are remembered. */
  get size(): number {
    return this.#cells.size + this.#remembered;
  }

  /** A sensor's number, if it is remembered. */
  find(cellId: number, stream: Stream): number | undefined {
    return this.#cells.get(cellId)?.get(streamKey(stream))?.id;
  }

  /**
   * Which groups would give a cell more sensors than it may have; all the others fit.
   *
   * @returns the cell that is full, by the group's place
   */
  async findOverfull(
    groups: readonly (readonly WantedSensor[])[],
  ): Promise<ReadonlyMap<number, number>> {
    await this.#load(groups.flat());
    const coming = new Map<number, Set<string>>();
    const overfull = new Map<number, number>();
    groups.forEach((group, at) => {
      const missing = group.filter((sensor) => !this.#get(sensor));
      if (missing.length === 0) return;
      const withThese = join(coming, missing);
      const full = [...withThese].find(
        ([cellId, keys]) => this.#cells.get(cellId)!.size + keys.size > sensorsPerCell,
      );
      if (full) overfull.set(at, full[0]);
      else for (const [cellId, keys] of withThese) coming.set(cellId, keys);
    });
    return overfull;
  }

  /** @returns ids in the order of `wanted` */
  async ensure(wanted: readonly WantedSensor[]): Promise<number[]> {
    await this.#load(wanted);
    const known = wanted.map((sensor) => this.#get(sensor));
    const missing = wanted.filter((sensor, at) => !isMet(sensor, known[at]));
    if (missing.length > 0) await this.#make(missing);
    return wanted.map((sensor, at) => (known[at] ?? this.#get(sensor)!).id);
  }

  #get({ cellId, stream }: WantedSensor): KnownSensor | undefined {
    return this.#cells.get(cellId)?.get(streamKey(stream));
  }

  async #load(wanted: readonly WantedSensor[]): Promise<void> {
    const cellIds = new Set<number>();
    for (const { cellId } of wanted) if (!this.#cells.has(cellId)) cellIds.add(cellId);
    if (cellIds.size === 0) return;
    const rows = await this.#db
      .selectFrom("sensor")
      .select(columns)
      .where(sql<boolean>`cell_id = any(${[...cellIds]}::int[])`)
      .execute();
    // Who loaded the same cell meanwhile relies on what is there.
    for (const cellId of cellIds) if (!this.#cells.has(cellId)) this.#cells.set(cellId, new Map());
    this.#remember(rows);
  }

  async #make(missing: readonly WantedSensor[]): Promise<void> {
    const made = await transact(this.#db, async (transaction) => {
      await lockCells(transaction, missing);
      return await upsertSensors(transaction, missing);
    });
    this.#remember(made);
  }

  #remember(rows: readonly Sensor[]): void {
    for (const { id, cell_id, data_type: dataType, ...stream } of rows)
      this.#cells.get(cell_id)?.set(streamKey(stream), { id, dataType });
    this.#remembered += rows.length;
  }
}

/** Of the cells that some sensors are of: these, and what comes for them already. */
function join(
  coming: ReadonlyMap<number, ReadonlySet<string>>,
  sensors: readonly WantedSensor[],
): Map<number, Set<string>> {
  const byCell = Map.groupBy(sensors, ({ cellId }) => cellId);
  const joined = [...byCell].map(([cellId, some]): [number, Set<string>] => {
    const keys = some.map(({ stream }) => streamKey(stream));
    return [cellId, new Set([...(coming.get(cellId) ?? []), ...keys])];
  });
  return new Map(joined);
}

interface KnownSensor {
  readonly id: number;
  readonly dataType: DataType;
}

function isMet({ dataType }: WantedSensor, known: KnownSensor | undefined): boolean {
  return known !== undefined && (known.dataType === "float" || dataType === "int");
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

/** As arrays, since a statement has 65,535 parameters at most. */
async function upsertSensors(db: Db, wanted: readonly WantedSensor[]): Promise<Sensor[]> {
  const sensors = distinct(wanted);
  const texts = (of: (stream: Stream) => string) => sensors.map(({ stream }) => of(stream));
  const { rows } = await sql<Sensor>`
    insert into sensor (cell_id, name, measurement, unit, data_type)
    select cell_id, name, measurement, unit, data_type
    from unnest(
      ${sensors.map(({ cellId }) => cellId)}::int[], ${texts(({ name }) => name)}::text[],
      ${texts(({ measurement }) => measurement)}::text[], ${texts(({ unit }) => unit)}::text[],
      ${sensors.map(({ dataType }) => dataType)}::text[]
    ) with ordinality as wanted (cell_id, name, measurement, unit, data_type, at)
    order by at
    on conflict (cell_id, name, measurement) do update
      set data_type = case when excluded.data_type = 'float' then 'float' else sensor.data_type end
    returning ${sql.join(columns.map((column) => sql.ref(column)))}`.execute(db);
  return rows;
}

/** Each sensor once, where it was first wanted; "float" if that was wanted anywhere. */
function distinct(wanted: readonly WantedSensor[]): WantedSensor[] {
  const sensors = new Map<string, WantedSensor>();
  for (const sensor of wanted) {
    const key = `${sensor.cellId} ${streamKey(sensor.stream)}`;
    if (!sensors.has(key) || sensor.dataType === "float") sensors.set(key, sensor);
  }
  return [...sensors.values()];
}

import { sql } from "kysely";
import { float8s, int4s } from "../db/arrays.ts";
import type { Db } from "../db/connect.ts";
import { findRuns, type Hole, type HoleLimits, type Runs } from "./holes.ts";
import { listStreams, streamKey } from "./sensors.ts";
import type { NewReading, Written } from "./write.ts";

/** A stream of a cell that readings are for, whether it is a sensor yet or not. */
interface Part {
  readonly number: number;
  readonly sensorId: number | null;
}

/**
 * What storing readings would come to, without storing them: each is compared with what is stored, and with those that
 * came before it. These wait in a temporary table, so that memory here doesn't grow with their number. Power that
 * follows from a voltage and a current is not among them, as `Written` doesn't count it either.
 */
export class Rehearsal {
  readonly #db: Db;
  readonly #parts = new Map<number, Map<string, Part>>();
  #count = 0;

  private constructor(db: Db) {
    this.#db = db;
  }

  /** Rehearses on a connection of its own, and leaves nothing behind. */
  static async on<T>(db: Db, rehearse: (rehearsal: Rehearsal) => Promise<T>): Promise<T> {
    return await db.connection().execute(async (connection) => {
      await sql`create temporary table rehearsed (
        part integer, ts timestamptz, value double precision, primary key (part, ts))`.execute(
        connection,
      );
      try {
        return await rehearse(new Rehearsal(connection));
      } finally {
        // A connection that broke has lost it already.
        await sql`drop table if exists rehearsed`.execute(connection).catch(() => undefined);
      }
    });
  }

  /** What becomes of readings that are written now, after those before. */
  async write(readings: readonly NewReading[]): Promise<Written> {
    if (readings.length === 0) return { stored: 0, repeated: 0, conflicting: 0 };
    const parts = await this.#partsOf(readings);
    const { rows } = await sql<Written>`
      with input as (
        select part, sensor_id, ts, value,
          row_number() over same as nth, first_value(value) over same as first_value
        from (
          select part, sensor_id, to_timestamp(seconds) as ts, value, at
          from unnest(${int4s(parts, ({ number }) => number)}::int[],
            ${int4s(parts, ({ sensorId }) => sensorId)}::int[],
            ${float8s(readings, ({ ts }) => ts)}::float8[],
            ${float8s(readings, ({ value }) => value)}::float8[])
            with ordinality as sent (part, sensor_id, seconds, value, at)
        ) as sent
        window same as (partition by part, ts order by at)
      ), compared as (
        select input.part, input.ts, input.value,
          reading.sensor_id is not null or earlier.part is not null or nth > 1 as old,
          input.value is distinct from case when reading.sensor_id is not null then reading.value
            when earlier.part is not null then earlier.value else first_value end as differs
        from input
        left join lateral (
          select * from reading where sensor_id = input.sensor_id and ts = input.ts offset 0
        ) as reading on true
        left join lateral (
          select * from rehearsed where part = input.part and ts = input.ts offset 0
        ) as earlier on true
      ), kept as (
        insert into rehearsed select part, ts, value from compared where not old
      )
      select count(*) filter (where not old)::int as stored,
        count(*) filter (where old and not differs)::int as repeated,
        count(*) filter (where old and differs)::int as conflicting
      from compared`.execute(this.#db);
    return rows[0]!;
  }

  /** The runs of readings that would come to be in some holes of a stream. */
  async findRuns(
    { cellId, stream }: Pick<NewReading, "cellId" | "stream">,
    holes: readonly Hole[],
    limits: HoleLimits,
  ): Promise<Runs> {
    const part = this.#parts.get(cellId)?.get(streamKey(stream))?.number ?? 0;
    return await findRuns(this.#db, sql`rehearsed where part = ${part}`, holes, limits);
  }

  async #partsOf(readings: readonly NewReading[]): Promise<Part[]> {
    await this.#load(readings);
    return readings.map(({ cellId, stream }) => {
      const known = this.#parts.get(cellId)!;
      const key = streamKey(stream);
      let part = known.get(key);
      if (!part) known.set(key, (part = { number: ++this.#count, sensorId: null }));
      return part;
    });
  }

  async #load(readings: readonly NewReading[]): Promise<void> {
    const cellIds = new Set<number>();
    for (const { cellId } of readings) if (!this.#parts.has(cellId)) cellIds.add(cellId);
    if (cellIds.size === 0) return;
    for (const cellId of cellIds) this.#parts.set(cellId, new Map());
    for (const { id, cell_id, ...stream } of await listStreams(this.#db, [...cellIds]))
      this.#parts.get(cell_id)!.set(streamKey(stream), { number: ++this.#count, sensorId: id });
  }
}

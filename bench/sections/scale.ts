import { findSensorType } from "@ents-backend/schemas/sensor";
import { withBackend, type Backend } from "../backend.ts";
import { createSensors, fillReadings, fillRollups, inBulk, settle, streamNames } from "../fill.ts";
import { getOk } from "../http-get.ts";
import { round, type Line } from "../line.ts";
import { median, medianTime } from "../measure.ts";
import { connect } from "../../server/src/db/connect.ts";
import { Writer, type NewReading } from "../../server/src/timeseries/write.ts";
import { silentLog } from "../silent-log.ts";
import { autoPath } from "./reads.ts";
import type { Section, Settings } from "./section.ts";

const section = "scale";
const cellCount = 125;
const firstRows = 1_000_000;
/** 2022-01-01 */
const start = 1_640_995_200;
/** Two cells that are read at every size have as many instants of eight streams, at a short interval. */
const readInstants = 50_000;
const readInterval_s = 60;
const siteInterval_s = 60;

interface Site {
  readonly cells: readonly number[];
  /** Of all cells but the first two, which are the ones that are read. */
  readonly sensorIds: readonly number[];
}

/** What the same work takes in a table of a million rows, and in one of many. */
export const scale: Section = async (settings) =>
  await withBackend(async (backend) => {
    const site = await makeSite(backend);
    let instants = 0;
    const growTo = async (rows: number) => {
      const until = Math.round((rows - readRows) / site.sensorIds.length);
      await grow(backend, site, { from: instants, until }, settings);
      instants = until;
      return await measure(backend, site, settings);
    };
    const small = await growTo(firstRows);
    const large = await growTo(settings.rows);
    return [...toLines(small, large, settings.rows), await measureSize(backend)];
  });

const readStreams = ["POWER_VOLTAGE", "POWER_CURRENT", "POWER", "TEROS12_TEMP"] as const;
const readRows = 2 * readStreams.length * readInstants;

async function makeSite({ sql, createCells }: Backend): Promise<Site> {
  const cells = await createCells(cellCount);
  const [readCells, others] = [cells.slice(0, 2), cells.slice(2)];
  const readIds = await createSensors(sql, pair(readCells, readStreams));
  const span = { start, instants: readInstants, interval_s: readInterval_s };
  await fillReadings(sql, readIds, span, () => undefined);
  await fillRollups(sql, readIds);
  const sensorIds = await createSensors(sql, pair(others, streamNames));
  return { cells, sensorIds };
}

function pair<Name>(cells: readonly number[], names: readonly Name[]) {
  return cells.flatMap((cellId) => names.map((name) => ({ cellId, name })));
}

/** Lets all sensors go on measuring, and makes their rollups anew. */
async function grow(
  { sql }: Backend,
  { sensorIds }: Site,
  { from, until }: { readonly from: number; readonly until: number },
  { note }: Settings,
): Promise<void> {
  const wanted = (until - from) * sensorIds.length;
  let filled = 0;
  const span = {
    start: start + from * siteInterval_s,
    instants: until - from,
    interval_s: siteInterval_s,
  };
  const onRows = (rows: number) => {
    filled += rows;
    note(`  ${round(filled)} of ${round(wanted)} rows more`);
  };
  await inBulk(sql, async () => {
    await fillReadings(sql, sensorIds, span, onRows);
    note("  rollups, vacuum");
    for (const unit of ["hour", "day"])
      await sql.query(`delete from rollup_${unit} where sensor_id = any($1)`, [sensorIds]);
    await fillRollups(sql, sensorIds);
  });
  await settle(sql);
}

interface Figures {
  /** Readings per second. */
  readonly inserts: number;
  readonly hours_ms: number;
  readonly auto_ms: number;
  readonly all_ms: number;
}

async function measure(backend: Backend, site: Site, settings: Settings): Promise<Figures> {
  const { port } = backend;
  const span = { start, end: start + readInstants * readInterval_s - 1 };
  const power = (resample: string) =>
    `/api/power/${site.cells[0]}?startTime=${span.start}&endTime=${span.end}&resample=${resample}&timestamps=unix`;
  const times = settings.quick ? 5 : 20;
  const figures = {
    hours_ms: await medianTime(times, () => getOk(port, power("hour"))),
    auto_ms: await medianTime(times, () => getOk(port, autoPath(site.cells.slice(0, 2), span))),
    all_ms: await medianTime(Math.ceil(times / 4), () => getOk(port, power("none"))),
    inserts: await measureInserts(backend, site, settings.quick ? 2 : 5),
  };
  settings.note(`  ${round(figures.inserts)} readings/s`);
  return figures;
}

/** How fast readings of all sensors go in, in batches as an import makes them, two at a time. */
async function measureInserts(
  { databaseUrl, sql }: Backend,
  { cells }: Site,
  seconds: number,
): Promise<number> {
  const db = connect(databaseUrl, silentLog);
  const rates: number[] = [];
  try {
    for (const _ of [1, 2, 3]) {
      await sql.query("checkpoint");
      const end = performance.now() + seconds * 1000;
      const counts = await Promise.all([0, 1].map((half) => insertUntil(end, half)));
      rates.push((counts[0]! + counts[1]!) / seconds);
    }
  } finally {
    await db.destroy();
  }
  return median(rates);

  async function insertUntil(end: number, half: number): Promise<number> {
    let stored = 0;
    const writer = new Writer(db);
    const mine = cells.slice(2).filter((_, at) => at % 2 === half);
    while (performance.now() < end) {
      const [written] = await writer.write([nextBatch(mine)], undefined);
      stored += written!.stored;
    }
    return stored;
  }
}

let insertTs = 1_750_000_000;

/** Readings of some cells at instants that have none yet. */
function nextBatch(cells: readonly number[]): NewReading[] {
  insertTs += siteInterval_s;
  const measured = streamNames.filter((name) => name !== "POWER");
  return cells.flatMap((cellId) =>
    measured.map((name) => ({
      cellId,
      stream: findSensorType(name)!,
      dataType: "float" as const,
      ts: insertTs,
      value: 20.5,
      receivedAt: insertTs + 2,
      loggerId: 1,
    })),
  );
}

/** What a reading takes on disk. */
async function measureSize({ sql }: Backend): Promise<Line> {
  const { rows } = await sql.query<{ table: number; key: number }>(
    `select pg_table_size('reading') / count(*)::float8 as table,
       pg_indexes_size('reading') / count(*)::float8 as key from reading`,
  );
  const { table, key } = rows[0]!;
  return {
    section,
    what: "a reading on disk",
    ours: `${round(table)} bytes in the table and ${round(key)} in its indexes`,
  };
}

function toLines(small: Figures, large: Figures, rows: number): Line[] {
  const millions = `${round(rows / 1e6)} M rows`;
  const read = (what: string, name: "hours_ms" | "auto_ms" | "all_ms"): Line => ({
    section,
    what,
    ours: `${round(large[name])} ms at ${millions}`,
    reference: `${round(small[name])} ms at 1 M`,
    ratio: small[name] / large[name],
    target: { bound: "at least", figure: 0.8, measured: small[name] / large[name] },
  });
  const ratio = large.inserts / small.inserts;
  return [
    {
      section,
      what: "readings stored, by the function that uploads and imports store with",
      ours: `${round(large.inserts)}/s at ${millions}`,
      reference: `${round(small.inserts)}/s at 1 M`,
      ratio,
      target: { bound: "at least", figure: 0.8, measured: ratio },
    },
    read("hours of a month, v, i and p", "hours_ms"),
    read("8 series of a month in 1,000 points each", "auto_ms"),
    read("50,000 instants of v, i and p, each reading", "all_ms"),
  ];
}

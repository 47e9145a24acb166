import { withBackend, type Backend } from "../backend.ts";
import { createSensors, fillReadings, fillRollups, inBulk, settle } from "../fill.ts";
import { getOk } from "../http-get.ts";
import { round, type Line } from "../line.ts";
import { freshInstants } from "../load/instants.ts";
import { startLoad } from "../load/start.ts";
import { alternate, medianTime, time } from "../measure.ts";
import { peakResidentSize, residentSize } from "../rss.ts";
import { describeFailures, within } from "./latency.ts";
import type { Section, Settings } from "./section.ts";

const section = "reads";
const interval_s = 10;
/** 2023-01-01, and the instants of a year of 365 days. */
const start = 1_672_531_200;
const yearOfInstants = 3_153_600;

/** A year of readings of two cells, eight streams. */
interface Year {
  readonly cells: readonly number[];
  /** v, i and p of the first cell. */
  readonly power: readonly number[];
  readonly instants: number;
}

export const reads: Section = async (settings) =>
  await withBackend(async (backend) => {
    const year = await fill(backend, settings);
    return [
      await measureHours(backend, year, settings),
      await measureAuto(backend, year, settings),
      ...(await measureAll(backend, year, settings)),
    ];
  });

const streams = ["POWER_VOLTAGE", "POWER_CURRENT", "POWER", "TEROS12_TEMP"] as const;

async function fill({ sql, createCells }: Backend, { quick, note }: Settings): Promise<Year> {
  const cells = await createCells(2);
  const wanted = cells.flatMap((cellId) => streams.map((name) => ({ cellId, name })));
  const ids = await createSensors(sql, wanted);
  const instants = yearOfInstants / (quick ? 10 : 1);
  let filled = 0;
  const onRows = (rows: number) => {
    filled += rows;
    note(`  ${round(filled)} of ${round(instants * ids.length)} rows`);
  };
  await inBulk(sql, async () => {
    await fillReadings(sql, ids, { start, instants, interval_s }, onRows);
    await fillRollups(sql, ids);
  });
  await settle(sql);
  return { cells, power: ids.slice(0, 3), instants };
}

/** The hours of a year over HTTP, against the database's own aggregate of the readings. */
async function measureHours(
  { port, sql }: Backend,
  { cells, power, instants }: Year,
  { quick }: Settings,
): Promise<Line> {
  const span = spanOf(instants);
  const path = `/api/power/${cells[0]}?startTime=${span.start}&endTime=${span.end}&resample=hour&timestamps=unix`;
  const columns = power.map((id) => `avg(value) filter (where sensor_id = ${id})`).join(", ");
  const aggregate = `select date_trunc('hour', ts, 'UTC') as bucket, ${columns} from reading
    where sensor_id in (${power.join(", ")}) and ts between to_timestamp($1) and to_timestamp($2)
    group by 1 order by 1`;
  const { ours, raw } = await alternate(quick ? 2 : 5, {
    ours: () => medianTime(5, () => getOk(port, path)),
    raw: () => time(() => sql.query(aggregate, [span.start, span.end])),
  });
  return {
    section,
    what: `hours of a year, v, i and p, ${round(instants)} instants of each`,
    ours: `${round(ours)} ms`,
    reference: `the aggregate in SQL ${round(raw)} ms`,
    ratio: raw / ours,
    target: { bound: "at least", figure: 50, measured: raw / ours },
  };
}

async function measureAuto(
  { port }: Backend,
  { cells, instants }: Year,
  { quick }: Settings,
): Promise<Line> {
  const path = autoPath(cells, spanOf(instants));
  const taken_ms = await medianTime(quick ? 5 : 20, () => getOk(port, path));
  return within(section, "8 series of a year in 1,000 points each", taken_ms, {
    bound: "below",
    figure: 60,
  });
}

/** What a chart of eight series asks for. */
export function autoPath(
  cells: readonly number[],
  span: { readonly start: number; readonly end: number },
): string {
  const sensors = "power.v,power.i,power.p,TEROS12_TEMP";
  return `/api/readings?cells=${cells.join(",")}&sensors=${sensors}&start=${span.start}&end=${span.end}&resample=auto&points=1000`;
}

/** Every reading of a long span: when it begins to come, what it costs the server, and who else waits. */
async function measureAll(
  { port, pid, createCells }: Backend,
  { cells, instants: most }: Year,
  { note }: Settings,
): Promise<Line[]> {
  const path = (instants: number) => {
    const span = spanOf(instants);
    return `/api/power/${cells[0]}?startTime=${span.start}&endTime=${span.end}&resample=none&timestamps=unix`;
  };
  const instants = Math.min(most, 1_000_000);
  await getOk(port, path(10_000));
  const before = await residentSize(pid);
  let answer = { firstByte_ms: 0, total_ms: 0, bytes: 0 };
  const peak = await peakResidentSize(pid, async () => {
    answer = await getOk(port, path(instants));
  });
  note(`  ${round(answer.bytes / 2 ** 20)} MB; ${round(before)} MB of memory before`);
  const nodes = await createCells(8);
  const source = { kind: "live", cells: nodes, firstTs: freshInstants() } as const;
  const live = startLoad({ port, connections: 8, rate: 200, source });
  const busy = await getOk(port, path(instants));
  const { latency_ms, failures } = await live.stop();
  const what = `${round(instants)} instants, each reading`;
  return [
    within(section, `${what}: first byte`, answer.firstByte_ms, { bound: "below", figure: 100 }),
    {
      section,
      what: `${what}: the server's memory beyond ${round(before)} MB`,
      ours: `${round(peak - before)} MB`,
      target: { bound: "below", figure: 64, measured: peak - before, unit: "MB" },
    },
    { section, what: `${what}: all of it`, ours: `${round(answer.total_ms / 1000)} s` },
    {
      section,
      what: `${what}, under 200 uploads/s: all of it`,
      ours: `${round(busy.total_ms / 1000)} s`,
    },
    {
      section,
      what: "p99 of those uploads",
      ours: `${round(latency_ms.p99)} ms`,
    },
    { section, what: "answers other than 200", ours: describeFailures(failures) },
  ];
}

function spanOf(instants: number): { start: number; end: number } {
  return { start, end: start + instants * interval_s - 1 };
}

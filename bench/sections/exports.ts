import { withBackend, type Backend } from "../backend.ts";
import { withExporter, type Exported } from "../exporter/start.ts";
import { createSensors, fillReadings, fillRollups, inBulk, settle } from "../fill.ts";
import { round, type Line } from "../line.ts";
import { freshInstants } from "../load/instants.ts";
import { runLoad } from "../load/start.ts";
import { alternate, time } from "../measure.ts";
import { peakResidentSize, residentSize } from "../rss.ts";
import type { Section, Settings } from "./section.ts";

const section = "exports";
const mostRows = 20_000_000;
const interval_s = 10;
/** 2020-01-01 */
const start = 1_577_836_800;
const streams = ["POWER_VOLTAGE", "POWER_CURRENT", "POWER", "TEROS12_TEMP"] as const;

/** What there is to be exported. */
interface Readings {
  readonly cells: number[];
  readonly sensors: readonly number[];
  readonly count: number;
}

/** Exports of all there is, each format in a process of its own, and what they do to uploads. */
export const exports: Section = async (settings) =>
  await withBackend(async (backend) => {
    const readings = await fill(backend, settings);
    const lines: Line[] = [];
    for (const format of ["csv", "csv-tidy", "parquet"] as const)
      lines.push(...(await measure(backend, readings, format, settings)));
    return [...lines, ...(await measureUploads(backend, readings, settings))];
  });

async function fill({ sql, createCells }: Backend, { rows, note }: Settings): Promise<Readings> {
  const cells = await createCells(2);
  const wanted = cells.flatMap((cellId) => streams.map((name) => ({ cellId, name })));
  const sensors = await createSensors(sql, wanted);
  const instants = Math.floor(Math.min(rows, mostRows) / sensors.length);
  let filled = 0;
  const onRows = (more: number) => {
    filled += more;
    note(`  ${round(filled)} of ${round(instants * sensors.length)} rows`);
  };
  await inBulk(sql, async () => {
    await fillReadings(sql, sensors, { start, instants, interval_s }, onRows);
    await fillRollups(sql, sensors);
  });
  await settle(sql);
  return { cells, sensors, count: instants * sensors.length };
}

const targets = { csv: 400_000, "csv-tidy": undefined, parquet: 250_000 } as const;
type Format = keyof typeof targets;

/** How fast it is, and what memory it takes beyond that of a process that has exported nothing yet. */
async function measure(
  backend: Backend,
  readings: Readings,
  format: Format,
  { note }: Settings,
): Promise<Line[]> {
  return await withExporter(backend.databaseUrl, async ({ pid, run }) => {
    const params = { cells: readings.cells, format };
    const before = await residentSize(pid);
    let exported = { seconds: 0, cpu_s: 0, bytes: 0 };
    const peak = await peakResidentSize(pid, async () => {
      exported = await run(params);
    });
    note(`  ${format}: ${round(exported.bytes / 2 ** 20)} MB, ${round(exported.seconds)} s`);
    return [
      compare(readings, format, exported, await copy(backend, readings, format)),
      {
        section,
        what: `${format}: its memory beyond ${round(before)} MB`,
        ours: `${round(peak - before)} MB`,
        target: { bound: "below", figure: 128, measured: peak - before, unit: "MB" },
      },
    ];
  });
}

/** PostgreSQL's own CSV of the same readings, made by the server and thrown away there. @returns seconds */
async function copy({ sql }: Backend, { sensors }: Readings, format: Format): Promise<number> {
  const columns = format === "csv" ? "ts, value" : "ts, value, received_at, logger_id";
  const taken_ms = await time(() =>
    sql.query(`copy (
      select sensor_id, ${columns} from reading where sensor_id in (${sensors.join(", ")}) order by sensor_id, ts
    ) to '/dev/null' with (format csv)`),
  );
  return taken_ms / 1000;
}

function compare(
  { count }: Readings,
  format: Format,
  { seconds, cpu_s }: Exported,
  copy_s: number,
): Line {
  const perSecond = count / (cpu_s || seconds);
  const target = targets[format];
  return {
    section,
    what: `${format}: ${round(count)} readings, per second of a processor`,
    ours: `${round(perSecond)}/s (by the clock ${round(count / seconds)}/s)`,
    reference: `COPY to CSV, by the clock ${round(count / copy_s)}/s`,
    ratio: copy_s / seconds,
    ...(target && { target: { bound: "at least", figure: target, measured: perSecond } }),
  };
}

/** How long uploads take, with and without an export that runs beside them all the time. */
async function measureUploads(
  { port, databaseUrl, createCells }: Backend,
  { cells }: Readings,
  { quick, note }: Settings,
): Promise<Line[]> {
  const nodes = await createCells(8);
  const upload = async () => {
    const source = { kind: "live", cells: nodes, firstTs: freshInstants() } as const;
    const load = { port, connections: 8, rate: 200, duration_s: quick ? 5 : 10, source };
    const { p99 } = (await runLoad(load)).latency_ms;
    note(`  200 uploads/s: p99 ${round(p99)} ms`);
    return p99;
  };
  await upload();
  const p99 = await withExporter(databaseUrl, async ({ run }) => {
    // Short ones, since the last one is waited for.
    const end = String(start + 100_000 * interval_s);
    const again = async () => await run({ cells, format: "csv", end });
    return await alternate(quick ? 1 : 5, {
      alone: upload,
      beside: async () => await beside(again, upload),
    });
  });
  return [
    {
      section,
      what: "p99 of 200 uploads/s while an export runs",
      ours: `${round(p99.beside)} ms`,
      reference: `without ${round(p99.alone)} ms`,
      ratio: p99.beside / p99.alone,
      target: { bound: "at most", figure: 1.5, measured: p99.beside / p99.alone },
    },
  ];
}

/** Does something while something else is done again and again. */
async function beside<T>(again: () => Promise<unknown>, act: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const others = repeat(again, over.signal);
  try {
    return await act();
  } finally {
    over.abort();
    await others;
  }
}

async function repeat(act: () => Promise<unknown>, over: AbortSignal): Promise<void> {
  while (!over.aborted) await act();
}

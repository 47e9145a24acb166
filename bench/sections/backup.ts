import { stat } from "node:fs/promises";
import { withBackend, type Backend } from "../backend.ts";
import { createSensors, fillReadings, fillRollups, inBulk, settle, streamNames } from "../fill.ts";
import { round, type Line } from "../line.ts";
import { peakResidentSize } from "../rss.ts";
import type { Section, Settings } from "./section.ts";

const section = "backup";
const cellCount = 125;
const mostRows = 20_000_000;
const target_perSecond = 200_000;
const memoryTarget_MB = 128;

/** What a command took. */
interface Taken {
  readonly seconds: number;
  /** At most, of its own process. */
  readonly memory_MB: number;
}

/** A whole database as a file, and back into another one. */
export const backup: Section = async (settings) =>
  await withBackend(async (backend) => {
    const rows = Math.min(settings.rows, mostRows);
    const file = `${backend.directory}/bench.backup`;
    const small = await backUpAndRestore(backend, `${file}.small`);
    await fill(backend, rows, settings);
    const large = await backUpAndRestore(backend, file);
    const { size } = await stat(file);
    const what = `${round(rows / 1e6)} M readings`;
    return [
      ...toLines(`${what}, backed up`, rows, small.backup, large.backup),
      ...toLines(`${what}, restored`, rows, small.restore, large.restore),
      { section, what: "a reading in a backup", ours: `${round(size / rows)} bytes` },
    ];
  });

async function fill(
  { sql, createCells }: Backend,
  rows: number,
  { note }: Settings,
): Promise<void> {
  const cells = await createCells(cellCount);
  const streams = cells.flatMap((cellId) => streamNames.map((name) => ({ cellId, name })));
  const sensorIds = await createSensors(sql, streams);
  const instants = Math.round(rows / sensorIds.length);
  const span = { start: 1_640_995_200, instants, interval_s: 60 };
  await inBulk(sql, async () => {
    await fillReadings(sql, sensorIds, span, () => undefined);
    await fillRollups(sql, sensorIds);
  });
  await settle(sql);
  note(`  ${round(rows)} readings are there`);
}

async function backUpAndRestore(
  { start }: Backend,
  file: string,
): Promise<{ backup: Taken; restore: Taken }> {
  const dataDir = `${file}.restored`;
  const backUp = await take(() => start(["backup", file]));
  await take(() => start(["migrate"], dataDir));
  return { backup: backUp, restore: await take(() => start(["restore", file], dataDir)) };
}

async function take(begin: () => ReturnType<Backend["start"]>): Promise<Taken> {
  const start = performance.now();
  const { pid, output } = begin();
  const memory_MB = await peakResidentSize(pid, async () => await output);
  return { seconds: (performance.now() - start) / 1000, memory_MB };
}

function toLines(what: string, rows: number, small: Taken, large: Taken): Line[] {
  const perSecond = rows / large.seconds;
  const memory_MB = large.memory_MB - small.memory_MB;
  return [
    {
      section,
      what,
      ours: `${round(perSecond)} readings/s`,
      target: { bound: "at least", figure: target_perSecond, measured: perSecond },
    },
    {
      section,
      what: `${what}: memory beyond that of an empty database`,
      ours: `${round(memory_MB)} MB`,
      reference: `${round(small.memory_MB)} MB`,
      target: { bound: "below", figure: memoryTarget_MB, measured: memory_MB, unit: "MB" },
    },
  ];
}

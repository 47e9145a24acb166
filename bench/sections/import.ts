import { createWriteStream } from "node:fs";
import { chmod } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { withBackend, type Backend } from "../backend.ts";
import { round } from "../line.ts";
import { alternate, time } from "../measure.ts";
import type { Section, Settings } from "./section.ts";

const columns = 6;

/**
 * A file of measurements through the command line, against PostgreSQL's COPY of the same rows from a file of its own,
 * with no client between them, into a table of the same shape with the same indexes.
 */
export const fileImport: Section = async (settings) =>
  await withBackend(async (backend) => {
    const lines = settings.quick ? 20_000 : 200_000;
    const file = `${backend.directory}/measurements.csv`;
    await pipeline(Readable.from(csvLines(lines)), createWriteStream(file));
    await prepareCopy(backend, file, lines);
    const rows = lines * columns;
    const { ours, copy } = await alternate(settings.quick ? 1 : 3, {
      ours: () => importOnce(backend, file, rows, settings),
      copy: () => copyOnce(backend, rows),
    });
    return [
      {
        section: "import",
        what: `${round(rows)} readings of a RocketLogger file`,
        ours: `${round(rows / (ours / 1000))} rows/s`,
        reference: `COPY ${round(rows / (copy / 1000))} rows/s`,
        ratio: copy / ours,
        target: { bound: "at least", figure: 0.25, measured: copy / ours },
      },
    ];
  });

function* csvLines(lines: number): Generator<string> {
  yield "timestamp,Voltage (mV),Current (uA),Power (uW),EC (uS/cm),VWC (%),Temperature (C)\n";
  for (let nth = 0; nth < lines; nth++) yield csvLine(nth);
}

function csvLine(nth: number): string {
  const [, day, month, year, clock] = new Date(1_600_000_000_000 + nth * 10_000)
    .toUTCString()
    .split(" ");
  const [v, i] = [300 + (nth % 997) / 7, 40 + (nth % 89) / 3];
  const others = `${nth % 400},${(30 + (nth % 100) / 13).toFixed(4)},${(nth % 300) / 10}`;
  return ` ${day} ${month} ${year} ${clock} GMT,${v},${i},${(v * i) / 1000},${others}\n`;
}

/** @returns ms, from the command's start to its end */
async function importOnce(
  { run, sql, createCells }: Backend,
  file: string,
  rows: number,
  { note }: Settings,
): Promise<number> {
  const [cell] = await createCells(1);
  await sql.query("checkpoint");
  const args = ["--cell", String(cell), "--logger", "1", "--json"];
  let summary = "";
  const taken = await time(async () => {
    summary = await run("import", "rocketlogger", file, ...args);
  });
  const { readings } = JSON.parse(summary) as { readings: { new: number } };
  if (readings.new !== rows) throw new Error(`${readings.new} of ${rows} readings were stored`);
  note(`  import: ${round(taken / 1000)} s`);
  return taken;
}

/** Imports the file once for its rows, and has PostgreSQL write them down as it would read them. */
async function prepareCopy(
  { sql, run, directory, createCells }: Backend,
  file: string,
  lines: number,
): Promise<void> {
  const [cell] = await createCells(1);
  await run("import", "rocketlogger", file, "--cell", String(cell), "--logger", "1");
  await chmod(directory, 0o777);
  await sql.query(
    `copy (select reading.* from reading join sensor on sensor.id = sensor_id where cell_id = ${cell} order by ts)
     to '${directory}/rows.copy'`,
  );
  await sql.query("create table bench_copy (like reading including all)");
  const { rows } = await sql.query<{ count: string }>("select count(*) from reading");
  if (Number(rows[0]!.count) !== lines * columns) throw new Error("the file went in incompletely");
}

async function copyOnce({ sql, directory }: Backend, rows: number): Promise<number> {
  await sql.query("truncate bench_copy");
  await sql.query("checkpoint");
  const taken = await time(async () => {
    const copied = await sql.query(`copy bench_copy from '${directory}/rows.copy'`);
    if (copied.rowCount !== rows) throw new Error(`${copied.rowCount} rows were copied`);
  });
  return taken;
}

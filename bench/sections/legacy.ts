import { Client } from "pg";
import { withBackend, type Backend } from "../backend.ts";
import { round } from "../line.ts";
import { time } from "../measure.ts";
import { peakResidentSize } from "../rss.ts";
import type { Section, Settings } from "./section.ts";

/** The old backend's tables that readings are in, and what they need. */
const tables = `
  create table "user" (id uuid primary key, first_name text, last_name text, email text, password text, api_key text);
  create table cell (id int primary key, name text not null, location text, latitude double precision,
    longitude double precision, user_id uuid, archive boolean not null);
  create table cell_user (cell_id int not null, user_id uuid not null);
  create table logger (id int primary key, name text not null, uuid uuid not null, type text, device_eui text,
    description text, date_created timestamp not null, user_id uuid);
  create table power_data (id serial primary key, logger_id int, cell_id int not null, ts timestamp not null,
    current double precision, voltage double precision, ts_server timestamp);
  create table teros_data (id serial primary key, cell_id int not null, ts timestamp not null, vwc double precision,
    temp double precision, ec int, ts_server timestamp, raw_vwc double precision, water_pot double precision);
  create table sensor (id int primary key, cell_id int not null, measurement text not null, data_type text not null,
    unit text, name text not null);
  create table data (id serial primary key, sensor_id int not null, ts timestamp not null, ts_server timestamp,
    float_val double precision, int_val int, text_val text);
  create index on power_data (cell_id, ts);
  create index on teros_data (cell_id, ts);
  create index on data (sensor_id, ts)`;

const cells = 8;
/** Of an instant of a cell: voltage and current, four of TEROS-12, one of a BME280. */
const readingsPerInstant = 7;

/**
 * Moving in from a made-up old backend, on the same server: the readings of some cells, and their comparison, from the
 * command's start to its end.
 */
export const legacy: Section = async (settings) =>
  await withBackend(async (backend) => {
    const instants = settings.quick ? 3_000 : Math.min(70_000, Math.ceil(settings.rows / 56));
    const url = await makeOldBackend(backend, instants);
    const readings = cells * instants * readingsPerInstant;
    const first = await moveIn(backend, url, readings, settings);
    const again = await moveIn(backend, url, 0, settings);
    const rate = readings / (first.taken / 1000);
    return [
      {
        section: "legacy",
        what: `${round(readings)} readings of ${cells} cells, and their comparison`,
        ours: `${round(rate)} readings/s`,
        target: { bound: "at least", figure: 60_000, measured: rate, unit: "readings/s" },
      },
      {
        section: "legacy",
        what: "the most memory that it took",
        ours: `${round(first.memory)} MB`,
      },
      {
        section: "legacy",
        what: "the same again, with nothing new",
        ours: `${round(again.taken / 1000)} s`,
        reference: `the first time ${round(first.taken / 1000)} s`,
        ratio: first.taken / again.taken,
      },
    ];
  });

/** @returns where it is */
async function makeOldBackend({ databaseUrl, sql }: Backend, instants: number): Promise<string> {
  await sql.query("create database old_backend");
  const url = new URL(databaseUrl);
  url.pathname = "/old_backend";
  const old = new Client({ connectionString: url.href });
  await old.connect();
  try {
    await old.query(tables);
    for (const statement of fillings(instants)) await old.query(statement);
    await old.query("vacuum analyze");
    await old.query("checkpoint");
  } finally {
    await old.end();
  }
  return url.href;
}

/** Rows of all cells as they would have come: an instant of each cell, then the next one. */
function fillings(instants: number): string[] {
  const rows = `from generate_series(0, ${cells * instants - 1}) as nth`;
  const cell = `nth % ${cells} + 101`;
  const ts = `timestamp '2023-01-01' + nth / ${cells} * interval '10 seconds'`;
  return [
    `insert into cell select nth, 'bench ' || nth, 'field', 37, -122, null, false from generate_series(101, ${100 + cells}) as nth`,
    `insert into logger select nth, 'bench ' || nth, gen_random_uuid(), 'ents', '', '', now(), null from generate_series(101, ${100 + cells}) as nth`,
    `insert into sensor select nth, nth, 'temperature', 'float', 'C', 'bme280' from generate_series(101, ${100 + cells}) as nth`,
    `insert into power_data (logger_id, cell_id, ts, current, voltage, ts_server)
     select ${cell}, ${cell}, ${ts}, nth % 89 / 1e6, nth % 997 / 1e3, ${ts} + interval '2 seconds' ${rows}`,
    `insert into teros_data (cell_id, ts, vwc, temp, ec, ts_server, raw_vwc)
     select ${cell}, ${ts}, (nth % 400 + 1) / 1e3, nth % 300 / 10.0, nth % 400, ${ts} + interval '2 seconds', 1800 + nth % 700 ${rows}`,
    `insert into data (sensor_id, ts, ts_server, float_val)
     select ${cell}, ${ts}, ${ts} + interval '2 seconds', nth % 353 / 7.0 ${rows}`,
  ];
}

/** @returns ms, from the command's start to its end, and its memory in MB */
async function moveIn(
  { start, sql }: Backend,
  url: string,
  readings: number,
  { note }: Settings,
): Promise<{ readonly taken: number; readonly memory: number }> {
  await sql.query("checkpoint");
  let report = "";
  let memory = NaN;
  const taken = await time(async () => {
    const command = start(["import", "legacy", url, "--json"]);
    memory = await peakResidentSize(command.pid, async () => {
      report = await command.output;
    });
  });
  const { agrees, cells: moved } = JSON.parse(report) as {
    agrees: boolean;
    cells: { readings: { new: number } }[];
  };
  const stored = moved.reduce((sum, cell) => sum + cell.readings.new, 0);
  if (!agrees || stored !== readings)
    throw new Error(`${stored} of ${readings} readings came over`);
  note(`  legacy: ${round(taken / 1000)} s`);
  return { taken, memory };
}

import { streamNames } from "@ents-backend/schemas/stream-name";
import { Command } from "commander";
import type { Db } from "../db/connect.ts";
import { systemClock } from "../lib/clock.ts";
import { count } from "../lib/count.ts";
import { ProgressBar } from "../lib/progress.ts";
import { checkRollup, rebuildRollup, type RollupUnit } from "../timeseries/rollup.ts";
import { listAllSensors } from "../timeseries/sensors.ts";
import { withDatabase } from "./database.ts";
import { wholeNumber } from "./options.ts";
import { formatTable } from "./table.ts";

interface Options {
  readonly cell?: number;
  readonly json?: boolean;
}

/** A sensor, and how many of its buckets are counted: differing ones, or those that were made anew. */
interface Row extends Record<RollupUnit, number> {
  readonly cell: number;
  readonly sensor: string;
}

interface Walked {
  readonly sensors: number;
  /** Buckets that were looked at. */
  readonly buckets: number;
  /** Sensors with something to tell. */
  readonly rows: readonly Row[];
}

const check = describe(
  new Command("check"),
  "compare the rollups, which averages are read from, with the readings",
  "Exit status: 0 they are what the readings come to; 1 they aren't, or the check failed.",
).action(async ({ cell, json }: Options) => {
  const walked = await withDatabase(({ db }) =>
    walkSensors(db, cell, "Checking", async (sensorId, unit) => {
      const { buckets, differing } = await checkRollup(db, sensorId, unit);
      return { buckets, told: differing };
    }),
  );
  const { rows, sensors, buckets } = walked;
  if (rows.length > 0) process.exitCode = 1;
  if (json) return console.log(JSON.stringify({ sensors, buckets, differing: rows }, null, 2));
  console.log(describeCheck(walked));
});

const rebuild = describe(
  new Command("rebuild"),
  "make those rollups anew that aren't what the readings come to",
  "A server may run meanwhile: it goes on taking uploads, and none of them is missed.",
).action(async ({ cell, json }: Options) => {
  const { rows, sensors } = await withDatabase(({ db }) =>
    walkSensors(db, cell, "Rebuilding", async (sensorId, unit) => ({
      buckets: 0,
      told: await rebuildRollup(db, sensorId, unit),
    })),
  );
  if (json) return console.log(JSON.stringify({ sensors, rebuilt: rows }, null, 2));
  if (rows.length > 0) console.log(formatTable(rows, ["cell", "sensor", "hour", "day"]));
  const made = rows.reduce((sum, { hour, day }) => sum + hour + day, 0);
  console.log(
    `Made ${count(made, "rollup")} anew, of ${count(rows.length)} of ${count(sensors, "sensor")}.`,
  );
});

function describe(command: Command, description: string, more: string): Command {
  return command
    .description(description)
    .option("--cell <number>", "of this cell only", wholeNumber(1))
    .option("--json", "as JSON, for programs")
    .addHelpText("after", `\n${more}`);
}

function describeCheck({ sensors, buckets, rows }: Walked): string {
  if (rows.length === 0)
    return `All ${count(buckets, "rollup")} of ${count(sensors, "sensor")} are what the readings come to.`;
  return `${formatTable(rows, ["cell", "sensor", "hour", "day"])}
Rollups of ${count(rows.length)} of ${count(sensors, "sensor")} aren't what the readings come to: the table says how many hours and days.
\`ents-backend rollup rebuild\` makes them anew.`;
}

/** Takes a task to each rollup of each sensor, one after the other, and shows how far it has come. */
async function walkSensors(
  db: Db,
  cell: number | undefined,
  label: string,
  task: (sensorId: number, unit: RollupUnit) => Promise<{ buckets: number; told: number }>,
): Promise<Walked> {
  const bar = openBar(label);
  const sensors = await listAllSensors(db, cell);
  const rows: Row[] = [];
  let buckets = 0;
  for (const [at, sensor] of sensors.entries()) {
    const hour = await task(sensor.id, "hour");
    const day = await task(sensor.id, "day");
    buckets += hour.buckets + day.buckets;
    const name = streamNames(sensor)[0]!;
    if (hour.told + day.told > 0)
      rows.push({ cell: sensor.cell_id, sensor: name, hour: hour.told, day: day.told });
    bar.update({ count: at + 1, bytes: 0 });
  }
  bar.clear();
  return { sensors: sensors.length, buckets, rows };
}

function openBar(label: string): ProgressBar {
  return new ProgressBar({
    output: process.stderr,
    clock: systemClock,
    label,
    unit: "sensors",
    totalBytes: undefined,
  });
}

export const rollupCommand = new Command("rollup")
  .description("check the rollups by hour and day, or make them anew")
  .addCommand(check)
  .addCommand(rebuild);

import { CellNumber } from "@ents-backend/schemas/fields";
import { InvalidArgumentError, Option, type Command } from "commander";
import { Value } from "typebox/value";
import { loadConfig } from "../../config.ts";
import { parseTime } from "../../lib/time.ts";
import { wholeNumber } from "../options.ts";
import { shapes, type Shape } from "./signal.ts";
import { isSensorName, sensorNames } from "./uploads.ts";

/** What both ways to simulate can be told. */
export interface CommonOptions {
  /** Undefined: to the server of this machine. */
  readonly url?: URL;
  readonly key?: string;
  readonly cell: readonly number[];
  readonly logger?: readonly number[];
  readonly sensors: readonly string[];
  readonly interval: number;
  readonly function: Shape;
  readonly min?: number;
  readonly max?: number;
  readonly period: number;
  readonly seed: number;
  readonly connections: number;
  readonly dryRun?: boolean;
}

const door = "/api/sensor/";

/** What a soil power node measures. */
const defaultSensors = [
  "POWER_VOLTAGE",
  "POWER_CURRENT",
  "TEROS12_VWC_ADJ",
  "TEROS12_TEMP",
  "TEROS12_EC",
];

/** A node's clock counts seconds in 32 bits. */
const lastInstant = 2 ** 32 - 1;

/** Nodes that one machine may well play. */
const mostNumbers = 100_000;

/** Adds the options of both ways to simulate. */
export function addOptions(
  command: Command,
  defaults: { readonly interval_s: number; readonly period_s: number },
): Command {
  return command
    .requiredOption(
      "--cell <numbers...>",
      "the cells to upload to, as 1 or 1-40 or 1,2,5",
      collect(deviceNumbers),
    )
    .option(
      "--logger <numbers...>",
      "the loggers that upload, which take turns over the cells (default: 1)",
      collect(deviceNumbers),
    )
    .addOption(
      new Option("--sensors <names...>", "what they measure: sensor names, all or all-v1")
        .argParser(collect(sensorName))
        .default(defaultSensors, defaultSensors.join(",")),
    )
    .option(
      "--interval <seconds>",
      "from one reading to the next",
      wholeNumber(1),
      defaults.interval_s,
    )
    .addOption(
      new Option("--function <shape>", "how values run over time").choices(shapes).default("sine"),
    )
    .option("--min <value>", "the least value (default: what is plausible for the unit)", number)
    .option("--max <value>", "the greatest value", number)
    .option(
      "--period <seconds>",
      "how long a sine or a ramp takes",
      wholeNumber(1),
      defaults.period_s,
    )
    .option("--seed <number>", "another seed, other values", wholeNumber(0), 1)
    .option(
      "--url <url>",
      "where uploads go (default: this machine's server, by its PORT)",
      httpUrl,
    )
    .option("--key <key>", "sent as X-API-Key, for cells that aren't open to everyone")
    .option("--connections <number>", "uploads on their way at once", wholeNumber(1), 4)
    .option("--dry-run", "print what would be sent, in hexadecimal");
}

/** The sensors to choose from, for the help. */
export function describeSensors(): string {
  return [
    "Sensors of version 2 (all of them: all), up to 16 in a message:",
    wrap(sensorNames.version2),
    "Sensors of version 1 (all of them: all-v1), a message each:",
    wrap(sensorNames.version1),
  ].join("\n");
}

/** Collects an option that may be given often, each time as a list with commas. */
function collect<T>(parse: (text: string) => readonly T[]) {
  const given: T[] = [];
  return (text: string): readonly T[] => {
    const parts = text.split(",").map((part) => part.trim());
    given.push(...parts.filter((part) => part !== "").flatMap(parse));
    return given;
  };
}

/** Reads the number of a cell or logger, or a run of them, as `1-40`. */
function deviceNumbers(text: string): number[] {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (![from, to].every((end) => Value.Check(CellNumber, end)) || from > to)
    throw new InvalidArgumentError(`${text} is neither a number nor a run of them such as 1-40.`);
  if (to - from >= mostNumbers) throw new InvalidArgumentError(`${text} are too many.`);
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

function sensorName(text: string): string[] {
  if (isSensorName(text)) return [text];
  throw new InvalidArgumentError(`there is no sensor ${text}.\n\n${describeSensors()}\n`);
}

/** Reads an instant that a node's clock can show, as whole Unix seconds. */
export function instant(text: string): number {
  const seconds = parseTime(text);
  if (seconds === undefined || seconds > lastInstant)
    throw new InvalidArgumentError(
      "a time as 2024-01-15, 2024-01-15T12:00:00Z or Unix seconds, from 1970 to 2106.",
    );
  return Math.floor(seconds);
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("a number.");
  return value;
}

function httpUrl(text: string): URL {
  const url = URL.parse(text);
  if (!url || !["http:", "https:"].includes(url.protocol))
    throw new InvalidArgumentError("an address as http://localhost:8000/api/sensor/.");
  if (url.pathname === "/") url.pathname = door;
  return url;
}

/** Where the server of this machine takes uploads. @throws KnownError when the settings are wrong */
export function ownUrl(): URL {
  return new URL(door, `http://localhost:${loadConfig().port}`);
}

function wrap(names: readonly string[]): string {
  const lines = [""];
  for (const name of names) {
    const line = lines.at(-1)!;
    if (line.length + name.length > 90) lines.push(name);
    else lines[lines.length - 1] = `${line} ${name}`.trim();
  }
  return lines.map((line) => `  ${line}`).join("\n");
}

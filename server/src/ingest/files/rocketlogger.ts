import { powerStreams, terosStreams } from "@ents-backend/schemas/measurement";
import type { Stream } from "@ents-backend/schemas/sensor";
import { defineError } from "../../lib/errors.ts";
import { parseTime } from "../../lib/time.ts";

import type { NewReading } from "../../timeseries/write.ts";
import { toPercent } from "../vwc.ts";
import { parseValue } from "./number.ts";
import { printable, quote } from "./quote.ts";
import type { ReadOrder } from "./format.ts";
import type { Fault } from "./row.ts";

/**
 * The columns of a RocketLogger/TEROS file and the streams that they are readings of, in the streams' units
 * (but for VWC, which stands under this name as a fraction too).
 */
const columns = {
  voltage: { header: "Voltage (mV)", stream: powerStreams.v },
  current: { header: "Current (uA)", stream: powerStreams.i },
  power: { header: "Power (uW)", stream: powerStreams.p },
  ec: { header: "EC (uS/cm)", stream: terosStreams.ec },
  vwc: { header: "VWC (%)", stream: terosStreams.vwc },
  temperature: { header: "Temperature (C)", stream: terosStreams.temp },
} as const satisfies Record<string, { readonly header: string; readonly stream: Stream }>;

type Quantity = keyof typeof columns;
const quantities = Object.keys(columns) as Quantity[];
const byHeader = new Map(
  quantities.map((quantity) => [normalise(columns[quantity].header), quantity]),
);

/** Where a file's header says that things stand. */
export interface Layout {
  readonly width: number;
  readonly timestampAt: number;
  readonly quantityAt: readonly { readonly quantity: Quantity; readonly at: number }[];
  /** Columns of other names, which are not read. */
  readonly ignored: readonly string[];
}

/** The measurements of one instant, as they stand in the file. */
export interface Row {
  /** Unix seconds. */
  readonly ts: number;
  /** Null where the file has NaN or an infinity, absent where it has nothing. */
  readonly values: Readonly<Partial<Record<Quantity, number | null>>>;
}

/** What the readings of a file have in common. */
interface Origin {
  readonly cellId: number;
  readonly loggerId: number | null;
  /** Unix seconds. */
  readonly receivedAt: number;
  readonly vwcUnit: ReadOrder["vwcUnit"];
}

const expected = quantities.map((quantity) => columns[quantity].header).join(", ");
const wrongHeader = defineError(
  "invalid",
  "wrong_header",
  "this is not a RocketLogger file: {problem}; the first line should name the columns, timestamp and at least one of {expected}, separated by commas, and it is {found}",
);

/**
 * Reads the first line of a file: columns may stand in any order, and all but the timestamp may be missing.
 *
 * @throws KnownError that names what was found and what is expected
 */
export function readHeader(fields: readonly string[]): Layout {
  const names = fields.map(normalise);
  const timestampAt = names.indexOf("timestamp");
  const quantityAt = names.flatMap((name, at) => {
    const quantity = byHeader.get(name);
    return quantity ? [{ quantity, at }] : [];
  });
  const problem = findProblem(names);
  if (problem) throw wrongHeader({ problem, expected, found: quote(fields.join(",")) });
  const ignored = fields.filter((_, at) => !isKnown(names[at]!)).map((name) => name.trim());
  return {
    width: fields.length,
    timestampAt,
    quantityAt,
    ignored: ignored.filter((name) => name !== "").map(printable),
  };
}

/** Whether a file that begins with these columns is one. */
export function isHeader(fields: readonly string[]): boolean {
  return findProblem(fields.map(normalise)) === undefined;
}

function findProblem(names: readonly string[]): string | undefined {
  if (!names.includes("timestamp")) return "it has no column timestamp";
  if (!names.some((name) => byHeader.has(name))) return "it has no column of measurements";
  const twice = names.find((name, at) => isKnown(name) && names.indexOf(name) !== at);
  return twice === undefined ? undefined : `it has the column ${twice} twice`;
}

function isKnown(name: string): boolean {
  return name === "timestamp" || byHeader.has(name);
}

/** Reads one line of measurements, whole or not at all. */
export function readRow(layout: Layout, fields: readonly string[]): Row | Fault {
  if (fields.length !== layout.width)
    return { reason: `${fields.length} fields where the header has ${layout.width}` };
  const time = fields[layout.timestampAt]!.trim();
  const ts = parseTimestamp(time);
  if (ts === undefined) return { reason: `${quote(time)} is not a time from 1970 on` };
  const values: Partial<Record<Quantity, number | null>> = {};
  for (const { quantity, at } of layout.quantityAt) {
    const text = fields[at]!.trim();
    if (text === "") continue;
    const value = parseValue(text);
    if (value === undefined)
      return { reason: `${columns[quantity].header}: ${quote(text)} is not a number` };
    values[quantity] = value;
  }
  return { ts, values };
}

/** The readings of a row, VWC in percent. */
export function toReadings(
  { ts, values }: Row,
  { cellId, loggerId, receivedAt, vwcUnit }: Origin,
): NewReading[] {
  return quantities.flatMap((quantity) => {
    const value = convert(quantity, values, vwcUnit);
    if (value === undefined) return [];
    const { stream } = columns[quantity];
    return [{ cellId, stream, dataType: "float", ts, value, receivedAt, loggerId }];
  });
}

function convert(
  quantity: Quantity,
  values: Row["values"],
  vwcUnit: ReadOrder["vwcUnit"],
): number | null | undefined {
  const value = values[quantity];
  if (typeof value !== "number") return value;
  if (quantity === "vwc") return toPercent(value, vwcUnit);
  return quantity === "power" ? settlePower(value, values) : value;
}

/**
 * A file's power is its own: over an hour, the mean of the products is not the product of the means. Where it
 * is the product but for rounding, then as the database computes it, so that a device's upload and a file of
 * the same readings don't differ in the last digit.
 *
 * @returns µW
 */
function settlePower(power: number, { voltage, current }: Row["values"]): number {
  if (typeof voltage !== "number" || typeof current !== "number") return power;
  const product = (voltage * current) / 1000;
  return Math.abs(product - power) <= 1e-9 * Math.abs(power) ? product : power;
}

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const timestamp =
  /^(\d\d?) ([A-Z][a-z]{2}) (\d{4}) ([01]\d|2[0-3]):([0-5]\d):([0-5]\d) (?:GMT|UTC)$/;

/** Unix seconds of `08 Jul 2023 20:00:00 GMT`, or of the forms that the API takes. */
function parseTimestamp(text: string): number | undefined {
  const match = timestamp.exec(text);
  if (!match) return parseTime(text);
  const [day, year, hour, minute, second] = [1, 3, 4, 5, 6].map((at) => Number(match[at]));
  const date = new Date(Date.UTC(year!, months.indexOf(match[2]!), day, hour, minute, second));
  // 31 Feb would be 3 Mar, an unknown month December of the year before, and the year 23 would be 1923.
  const exists =
    date.getUTCDate() === day &&
    months[date.getUTCMonth()] === match[2] &&
    date.getUTCFullYear() === year;
  return exists && date.getTime() >= 0 ? date.getTime() / 1000 : undefined;
}

/** Case, outer spaces and the way to write micro don't tell columns apart. */
function normalise(header: string): string {
  return header.trim().toLowerCase().replace(/[µμ]/g, "u");
}

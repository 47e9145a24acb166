import type { SensorType } from "@ents-backend/schemas/sensor";
import { expect } from "vitest";
import { ask } from "./python.ts";

/** Hourly, on the hour: the client takes the hourly means that it is answered by default. */
export const hours = Array.from(
  { length: 24 },
  (_, at) => Date.parse("2024-01-15T00:00:00Z") / 1000 + at * 3600,
);

/** A cell as the package's client reads it: columns of equal length, with times in Unix seconds. */
export interface ReadCell {
  readonly cells: { id: number; name: string }[];
  readonly cell: { id: number; name: string };
  readonly power: Record<"timestamp" | "v" | "i" | "p", number[]>;
  readonly teros: Record<"timestamp" | "vwc" | "temp" | "ec" | "raw_vwc", number[]>;
  readonly sensors: {
    readonly timestamp: number[];
    readonly data: (number | null)[];
    readonly unit: string[];
  }[];
}

/** Version 1, as the package decodes it. */
export interface Measurement {
  readonly ts: number;
  readonly type: string;
  readonly data: Record<string, number>;
}

/** Version 2, as the package decodes it. */
export interface Repeated {
  readonly measurements: { readonly type: string; readonly decimal: number }[];
}

/** The sensor types that the package knows. */
export async function packageTypes(): Promise<SensorType[]> {
  return await ask("describe.py");
}

/** Reads a cell, by its name; the client joins paths to its base as documented, with a slash too many. */
export async function readCell(
  url: string,
  cell: string,
  sensors: readonly (readonly [name: string, measurement: string])[],
  { start, end } = { start: hours[0]!, end: hours.at(-1)! },
): Promise<ReadCell> {
  return await ask("read.py", { base_url: `${url}/api/`, cell, sensors, start, end });
}

/** Has the package decode messages that are given in hexadecimal. */
export async function decode<Message>(
  kind: "measurement" | "repeated" | "response" | "responses",
  hexes: readonly string[],
): Promise<Message[]> {
  return await ask(
    "decode.py",
    hexes.map((hex) => ({ kind, hex })),
  );
}

/** Expects that a cell holds what was sent to it each hour, of every type that the package knows, and nothing else. */
export async function expectRepeated(
  url: string,
  cell: string,
  sent: readonly Repeated[],
): Promise<void> {
  const types = await packageTypes();
  const readings = sent.flatMap(({ measurements }) => measurements);
  const values = (type: string): number[] =>
    readings.filter((reading) => reading.type === type).map(({ decimal }) => decimal);
  const names = types.map((type) => [type.name, type.measurement] as const);
  const answer = await readCell(url, cell, names);
  for (const [at, type] of types.entries()) {
    const sentValues = values(type.name);
    expect(answer.sensors[at], type.name).toEqual({
      timestamp: hours,
      data: type.name === "TEROS12_VWC_ADJ" ? sentValues.map(toPercent) : sentValues,
      measurement: hours.map(() => type.measurement),
      unit: hours.map(() => type.unit),
      type: hours.map(() => "float"),
    });
  }
  const [v, i] = [values("POWER_VOLTAGE"), values("POWER_CURRENT")];
  expect(answer.power).toEqual({ timestamp: hours, v, i, p: power(v, i) });
  expect(answer.teros).toMatchObject({
    timestamp: hours,
    vwc: values("TEROS12_VWC_ADJ").map(toPercent),
    temp: values("TEROS12_TEMP"),
    ec: values("TEROS12_EC").map((value) => Math.trunc(value) + 0), // JSON has no -0
    raw_vwc: values("TEROS12_VWC"),
  });
}

/** Power in µW, of mV and µA. */
export function power(v: readonly number[], i: readonly number[]): number[] {
  return v.map((voltage, at) => (voltage * i[at]!) / 1000);
}

export function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "+00:00");
}

function toPercent(value: number): number {
  return value > 0 && value <= 1 ? value * 100 : value;
}

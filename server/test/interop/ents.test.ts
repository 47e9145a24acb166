import { sensorTypes } from "@ents-backend/schemas/sensor";
import { describe, expect, inject, it } from "vitest";
import { useBackend } from "./backend.ts";
import {
  decode,
  expectRepeated,
  hours,
  iso,
  packageTypes,
  power,
  readCell,
  type Measurement,
  type Repeated,
} from "./client.ts";
import { ask, ents } from "./python.ts";

describe.skipIf(inject("pythonPrograms") === "")("the ents package", () => {
  const backend = useBackend();

  it("knows no sensor type that the schemas don't know as it is", async () => {
    expect(sensorTypes).toEqual(expect.arrayContaining(await packageTypes()));
  });

  it("reads back what its simulator of version 1 uploads", async () => {
    const cell = await backend.createCell("version 1");
    const sensors = ["power", "teros12", "teros21", "bme280"];
    const printed = await ents("sim", "--mode", "batch", ...order(cell.id, sensors));
    expect(totals(printed)).toEqual({ total: 4 * hours.length, failed: 0 });

    const question = { simulator: "sim", cell: cell.id, sensors, instants: hours };
    const sent = await simulate<Measurement>("measurement", question);
    const values = (type: string, key: string): number[] =>
      sent.filter((message) => message.type === type).map(({ data }) => data[key]!);
    const answer = await readCell(backend.url, cell.name, [
      ["teros21", "matricPot"],
      ["teros21", "temp"],
      ["bme280", "pressure"],
      ["bme280", "temperature"],
      ["bme280", "humidity"],
    ]);
    expect(answer.cell).toMatchObject(cell);
    expect(answer.cells).toContainEqual(answer.cell);
    const v = values("power", "voltage").map((volts) => volts * 1e3);
    const i = values("power", "current").map((amperes) => amperes * 1e6);
    expect(answer.power).toEqual({ timestamp: hours, v, i, p: power(v, i) });
    expect(answer.teros).toMatchObject({
      timestamp: hours,
      vwc: values("teros12", "vwcAdj").map((fraction) => fraction * 100),
      temp: values("teros12", "temp"),
      ec: values("teros12", "ec"),
      raw_vwc: values("teros12", "vwcRaw"),
    });
    expect(answer.sensors.map(({ data, unit }) => [data, unit[0]])).toEqual([
      [values("teros21", "matricPot"), "kPa"],
      [values("teros21", "temp"), "C"],
      [values("bme280", "pressure").map((value) => value / 10), "hPa"],
      [values("bme280", "temperature").map((value) => value / 100), "C"],
      [values("bme280", "humidity").map((value) => value / 1000), "%"],
    ]);
    for (const { timestamp } of answer.sensors) expect(timestamp).toEqual(hours);
  });

  it.each([
    { range: "of plausible values", min: 2, max: 95 },
    { range: "around zero, where soil moisture is a fraction", min: -1, max: 1 },
  ])("reads back what its simulator of version 2 uploads, $range", async ({ range, min, max }) => {
    const cell = await backend.createCell(`version 2, ${range}`);
    const sensors = (await packageTypes()).map((type) => type.name);
    const values = [`--min=${min}`, `--max=${max}`];
    const printed = await ents("sim_generic", "batch", ...values, ...order(cell.id, sensors));
    expect(totals(printed)).toEqual({ total: hours.length, failed: 0 });

    const question = {
      simulator: "sim_generic",
      cell: cell.id,
      sensors,
      min,
      max,
      instants: hours,
    };
    await expectRepeated(backend.url, cell.name, await simulate<Repeated>("repeated", question));
  });

  it("reads the hourly means of what comes more often", async () => {
    const cell = await backend.createCell("every ten minutes");
    const instants = Array.from({ length: 36 }, (_, at) => hours[0]! + at * 600);
    const printed = await ents("sim", "--mode", "batch", ...order(cell.id, ["power"], instants));
    expect(totals(printed)).toEqual({ total: instants.length, failed: 0 });

    const question = { simulator: "sim", cell: cell.id, sensors: ["power"], instants };
    const sent = await simulate<Measurement>("measurement", question);
    const span = { start: instants[0]!, end: instants.at(-1)! };
    const answer = (await readCell(backend.url, cell.name, [], span)).power;
    const v = sent.map(({ data }) => data["voltage"]! * 1e3);
    const i = sent.map(({ data }) => data["current"]! * 1e6);
    expect(answer.timestamp).toEqual(hours.slice(0, 6));
    expectClose(answer.v, meansOfSix(v));
    expectClose(answer.i, meansOfSix(i));
    expectClose(answer.p, meansOfSix(power(v, i)));
  });

  it("decodes the answers to its messages", async () => {
    const cell = await backend.createCell("answers");
    const version1 = { simulator: "sim", sensors: ["power"] };
    const version2 = {
      simulator: "sim_generic",
      sensors: ["BME280_TEMP", "TEROS12_EC"],
      min: 2,
      max: 3,
    };
    const unknown = 4_000_000_000;
    const uploads = [
      { status: 200, version: "1", hex: await makeOne({ ...version1, cell: cell.id }) },
      { status: 400, version: "1", hex: await makeOne({ ...version1, cell: unknown }) },
      { status: 200, version: "2", hex: await makeOne({ ...version2, cell: cell.id }) },
      { status: 400, version: "2", hex: await makeOne({ ...version2, cell: unknown }) },
    ];
    const answers = await Promise.all(uploads.map((upload) => post(backend.url, upload)));
    expect(answers.map(({ status }) => status)).toEqual(uploads.map(({ status }) => status));
    const bodies = answers.map(({ body }) => body);
    expect(await decode("response", bodies.slice(0, 2))).toEqual(["SUCCESS", "ERROR"]);
    expect(await decode("responses", bodies.slice(2))).toEqual([
      { responses: [{}, {}] },
      { responses: [{ error: "CELL" }, { error: "CELL" }] },
    ]);
  });

  /** What both simulators are told: where to, for whom, and when. */
  function order(cell: number, sensors: readonly string[], instants = hours): string[] {
    const interval = instants[1]! - instants[0]!;
    const where = ["--url", `${backend.url}/api/sensor/`, "--cell", String(cell), "--logger", "7"];
    const span = ["--start", iso(instants[0]!), "--end", iso(instants.at(-1)!)];
    return [...where, ...span, "--freq", String(interval), "--sensor", ...sensors];
  }
});

/** What the package's simulator makes, as the package decodes it. */
async function simulate<Message>(
  kind: "measurement" | "repeated",
  question: object,
): Promise<Message[]> {
  return await decode(kind, await make(question));
}

/** What the package's simulator printed last, which is how it went as a whole. */
function totals(printed: string): { total: number; failed: number } {
  const [, total, failed] = [...printed.matchAll(/total: (\d+), failed: (\d+)/g)].at(-1)!;
  return { total: Number(total), failed: Number(failed) };
}

/** The message of one instant. */
async function makeOne(question: object): Promise<string> {
  return (await make({ instants: [hours[0]], ...question }))[0]!;
}

/** The messages that the package's simulator makes, in hexadecimal. */
async function make(question: object): Promise<string[]> {
  return await ask("messages.py", { logger: 7, ...question });
}

async function post(
  url: string,
  upload: { readonly version: string; readonly hex: string },
): Promise<{ status: number; body: string }> {
  const response = await fetch(`${url}/api/sensor/`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream", SensorVersion: upload.version },
    body: Buffer.from(upload.hex, "hex"),
  });
  const body = Buffer.from(await response.arrayBuffer()).toString("hex");
  return { status: response.status, body };
}

function meansOfSix(values: readonly number[]): number[] {
  return Array.from({ length: values.length / 6 }, (_, at) => {
    const six = values.slice(at * 6, at * 6 + 6);
    return six.reduce((sum, value) => sum + value, 0) / 6;
  });
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [at, value] of expected.entries())
    expect(Math.abs(actual[at]! - value)).toBeLessThanOrEqual(1e-9 * Math.abs(value));
}

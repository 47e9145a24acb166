import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { measurementTypes } from "@ents-backend/schemas/measurement";
import { sensorTypes, type SensorTypeName, type Stream } from "@ents-backend/schemas/sensor";
import { beforeAll, describe, expect, it } from "vitest";
import { valueAt, type Signal } from "../../src/cli/simulate/signal.ts";
import { Tally } from "../../src/cli/simulate/tally.ts";
import { encodableTypes, encodeMeasurement } from "../../src/ingest/codecs/encode.ts";
import { createCell } from "../../src/store/cells.ts";
import { useApi } from "../support/api.ts";
import { newCell, readSensor } from "../support/cells.ts";

const api = useApi();
let url: string;

const program = resolve("server/bin/ents-backend.js");
const hour = ["--start", "2024-01-15T00:00:00Z", "--end", "2024-01-15T01:00:00Z"];
const quarters = [...hour, "--interval", "900"];
const once15th = ["--start", "2024-01-15", "--end", "2024-01-15"];

const streamsOfVersion1: readonly Stream[] = encodableTypes.flatMap((type) =>
  measurementTypes[type]!.map(({ stream }) => stream),
);

beforeAll(async () => {
  const address = await api.app.listen({ port: 0, host: "127.0.0.1" });
  url = `${address}/api/sensor/`;
});

describe("ents-backend simulate batch", () => {
  it.each([
    {
      version: 2,
      sensors: "all",
      uploads: Math.ceil(sensorTypes.length / 16),
      streams: sensorTypes as readonly Stream[],
    },
    { version: 1, sensors: "all-v1", uploads: encodableTypes.length, streams: streamsOfVersion1 },
  ])("uploads every sensor of version $version", async ({ sensors, uploads, streams }) => {
    const cell = await newCell(api);
    const constant = ["--function", "constant", "--min", "200", "--max", "200"];
    const { code, output } = await simulate(cell, "--sensors", sensors, ...constant, ...once15th);
    expect(output).toContain(`${uploads} uploads stored, with ${streams.length} readings`);
    expect(output).toContain("0 failed");
    expect(code).toBe(0);
    for (const stream of streams) {
      const { timestamp, data } = await readings(cell, stream);
      expect(timestamp, stream.name).toEqual([Date.parse("2024-01-15") / 1000]);
      expect(data[0], `${stream.name} ${stream.measurement}`).toBeCloseTo(200, 9);
    }
    const sensorsOfCell = (await api.get(`/api/cell/${cell}/sensors`)).json<unknown[]>();
    expect(sensorsOfCell).toHaveLength(streams.length);
  });

  it("uploads a reading for each interval, the ends included", async () => {
    const cell = await newCell(api);
    const range = ["--min", "10", "--max", "20", "--interval", "600", ...hour];
    await simulate(cell, "--sensors", "bme280_temp", "--function", "random", ...range);
    const { timestamp, data } = await readings(cell, named("BME280_TEMP"));
    const midnight = Date.parse("2024-01-15") / 1000;
    expect(timestamp).toEqual([0, 1, 2, 3, 4, 5, 6].map((at) => midnight + at * 600));
    for (const value of data) expect(value! >= 10 && value! < 20).toBe(true);
    expect(new Set(data).size).toBe(data.length);
  });

  it("sends the same again when it is run again, and other values with another seed", async () => {
    const cell = await newCell(api);
    await simulate(cell, "--sensors", "TEROS12_TEMP", ...quarters);
    const first = await readings(cell, named("TEROS12_TEMP"));
    await simulate(cell, "--sensors", "TEROS12_TEMP", ...quarters);
    expect(await readings(cell, named("TEROS12_TEMP"))).toEqual(first);
    expect(await conflicts()).toBe(0);
    await simulate(cell, "--sensors", "TEROS12_TEMP", "--seed", "2", ...quarters);
    expect(await conflicts()).toBe(first.data.length);
  });

  it("plays many nodes at once", async () => {
    const cells = [await newCell(api), await newCell(api), await newCell(api)];
    const many = ["--logger", "901-902", "--connections", "3", "--no-keep-alive", ...quarters];
    const { output } = await simulate(cells.join(), "--sensors", "SEN0308_HUMIDITY,power", ...many);
    expect(output).toContain(`${3 * 5 * 2} uploads stored, with ${3 * 5 * 3} readings`);
    for (const cell of cells)
      expect((await readings(cell, named("POWER_CURRENT"))).data).toHaveLength(5);
    const loggers = await api.db
      .selectFrom("logger_sighting")
      .select(["logger_id", "cell_id"])
      .where("logger_id", "in", [901, 902])
      .orderBy("cell_id")
      .execute();
    expect(loggers.map(({ logger_id }) => logger_id)).toEqual([901, 902, 901]);
  });

  it("goes to this machine's server, wherever its settings have that listen", async () => {
    const args = [program, "simulate", "batch", "--cell", "1", "--dry-run", ...once15th];
    const env = { ...process.env, PORT: "9123" };
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    expect(stdout).toMatch(/^POST http:\/\/localhost:9123\/api\/sensor\/\n/);
  });

  it("only prints what it would send with --dry-run", async () => {
    const cell = await newCell(api);
    const { output } = await simulate(cell, "--sensors", "YFS210C_FLOW", "--dry-run", ...once15th);
    expect(output).toContain(`POST ${url}`);
    expect(output).toMatch(/SensorVersion: 2\n[0-9a-f]+\n$/);
    expect((await api.get(`/api/cell/${cell}/sensors`)).json()).toEqual([]);
  });

  it("says why uploads are refused, and ends as failed", async () => {
    const open = await newCell(api);
    const { id: closed } = await createCell(api.db, { name: "closed", uploadPolicy: "key" });
    const what = ["--sensors", "D10_FLOW,d10", ...once15th];
    const { code, output, errors } = await simulate(`${open},${closed}`, ...what);
    expect(code).toBe(1);
    expect(output).toContain("2 uploads stored, with 4 readings");
    expect(output).toContain("2 failed: 2 × status 401");
    expect(errors).toMatch(new RegExp(`cell ${closed}, .*: status 401, CELL`));
    expect(errors).toMatch(new RegExp(`cell ${closed}, .*: status 401, ERROR`));
    expect(errors).not.toMatch(new RegExp(`cell ${open},`));
  });

  it("sends a key where it is given one", async () => {
    const server = createServer((request, response) => {
      response.writeHead(request.headers["x-api-key"] === "secret" ? 200 : 403).end();
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    const target = ["--url", `http://127.0.0.1:${port}/u/x`, "--key", "secret"];
    const { code } = await run("batch", "--cell", "1", ...target, ...once15th);
    server.close();
    expect(code).toBe(0);
  });

  it("says in one sentence that there is no server", async () => {
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    await once(server.close(), "close");
    const nowhere = `http://127.0.0.1:${port}/api/sensor/`;
    const { code, output, errors } = await run("batch", "--cell", "1", "--url", nowhere, ...hour);
    expect(code).toBe(1);
    expect(output).toBe("");
    expect(errors).toContain(
      `ents-backend: no server answers at ${nowhere}: nothing listens there`,
    );
    expect(errors).not.toContain("    at ");
  });

  it("says what is wrong with an option", async () => {
    const wrong = [
      { options: ["--sensors", "BME281"], says: "there is no sensor BME281" },
      {
        options: ["--start", "2024-02-01", "--end", "2024-01-01"],
        says: "--start lies after --end",
      },
      { options: ["--min", "2", "--max", "1"], says: "--min lies after --max" },
      { options: ["--start", "yesterday"], says: "a time as 2024-01-15" },
      { options: ["--cell", "9-3"], says: "9-3 is neither a number nor a run of them" },
    ];
    const given = wrong.map(({ options }) => run("batch", "--cell", "1", "--dry-run", ...options));
    for (const [at, { code, errors }] of (await Promise.all(given)).entries()) {
      expect(code).toBe(1);
      expect(errors).toContain(wrong[at]!.says);
    }
  });
});

describe("ents-backend simulate stream", () => {
  it("uploads until Ctrl-C, and then says how it went", async () => {
    const cell = await newCell(api);
    const answered = nextAnswer();
    const child = start("stream", "--cell", String(cell), "--url", url, "--sensors", "D10_FLOW");
    const output = text(child.stdout!);
    await answered;
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number];
    expect(await output).toMatch(/^1 upload stored, with 1 reading;/);
    expect(code).toBe(0);
    expect((await api.get(`/api/cell/${cell}/sensors`)).json()).toHaveLength(1);
  });
});

describe("Tally", () => {
  it("tells the latency of the latest 10 000 answers", () => {
    const tally = new Tally();
    const origin = { cellId: 1, loggerId: 1, ts: 0 };
    const upload = { ...origin, version: 2, body: new Uint8Array(), readings: 1 } as const;
    for (let at = 0; at < 30_000; at++)
      tally.add({ upload, latency_ms: at < 20_000 ? 900 : 7, failure: undefined });
    expect(tally.summary()).toContain("30,000 uploads stored, with 30,000 readings");
    expect(tally.summary()).toContain("latency: p50 7.0 ms, p99 7.0 ms");
  });
});

describe("valueAt", () => {
  const signal: Signal = { shape: "ramp", period_s: 100, seed: 1, min: 10, max: 20 };
  const valuesOf = (given: Partial<Signal>, cell = 1, sensor = named("BME280_TEMP")): number[] =>
    Array.from({ length: 100 }, (_, ts) => valueAt({ ...signal, ...given }, cell, sensor, ts));

  it("runs through the whole range in a period, whatever the shape", () => {
    const ramp = valuesOf({ shape: "ramp" });
    expect(ramp.filter((value, at) => at > 0 && value < ramp[at - 1]!)).toHaveLength(1);
    for (const shape of ["ramp", "sine", "random"] as const) {
      const values = valuesOf({ shape });
      expect(Math.min(...values)).toBeGreaterThanOrEqual(10);
      expect(Math.max(...values)).toBeLessThanOrEqual(20);
      expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(9);
    }
    expect(new Set(valuesOf({ shape: "constant" }))).toEqual(new Set([15]));
  });

  it("differs between cells, sensors and seeds, and nowhere else", () => {
    expect(valuesOf({})).toEqual(valuesOf({}));
    expect(valuesOf({}, 2)).not.toEqual(valuesOf({}));
    expect(valuesOf({}, 1, named("TEROS12_TEMP"))).not.toEqual(valuesOf({}));
    expect(valuesOf({ seed: 2 })).not.toEqual(valuesOf({}));
  });

  it("is plausible for the unit where no range is given", () => {
    const range = { min: undefined, max: undefined };
    for (const value of valuesOf(range)) expect(value > 0 && value < 40).toBe(true);
    for (const value of valuesOf({ ...range, min: 500 })) expect(value).toBe(500);
  });
});

describe("encodeMeasurement", () => {
  // Source: sample messages that the hardware project publishes.
  it("encodes power as hardware does", () => {
    const origin = { cellId: 4, loggerId: 7, ts: 1436079600 };
    expect(
      Buffer.from(encodeMeasurement(origin, "power", [2_400_000, 100e6])).toString("hex"),
    ).toBe("0a0a0804100718f0abe3ac051212110000000000c0a240190000000000005940");
  });

  it("leaves zeros out, as hardware does", () => {
    const origin = { cellId: 0, loggerId: 0, ts: 1436079600 };
    const message = encodeMeasurement(origin, "teros12", [1832.43, 34.4, 24.2, 2]);
    expect(Buffer.from(message).toString("hex")).toBe(
      "0a0618f0abe3ac051a1d111f85eb51b8a19c401933333333333341402133333333333338402802",
    );
  });
});

interface Finished {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

async function simulate(cells: number | string, ...options: string[]): Promise<Finished> {
  return await run("batch", "--url", url, "--cell", String(cells), ...options);
}

async function run(...args: string[]): Promise<Finished> {
  const child = start(...args);
  const exited = once(child, "exit");
  const [output, errors] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  const [code] = (await exited) as [number | null];
  return { code, output, errors };
}

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [program, "simulate", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Resolves when the API has answered the next request. */
async function nextAnswer(): Promise<void> {
  const [, response] = await once(api.app.server, "request");
  await once(response, "finish");
}

function named(name: SensorTypeName): Stream {
  return sensorTypes.find((type) => type.name === name)!;
}

async function readings(cell: number, { name, measurement }: Stream) {
  const span = { startTime: "2024-01-15", endTime: "2024-01-16" };
  const { timestamp, data } = await readSensor(api, cell, [name, measurement], span);
  return { timestamp, data };
}

async function conflicts(): Promise<number> {
  return (await api.db.selectFrom("reading_conflict").select("sensor_id").execute()).length;
}

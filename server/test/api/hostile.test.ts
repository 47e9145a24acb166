import type { AddressInfo } from "node:net";
import { beforeAll, describe, expect, it } from "vitest";
import { createCell } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { useApi } from "../support/api.ts";
import { newCell, readSensor } from "../support/cells.ts";
import { base64, decimal, encodeVersion1, encodeVersion2, webhook } from "../support/messages.ts";
import { randomNumbers } from "../support/random.ts";
import { RawConnection } from "../support/raw-http.ts";
import { rowsAdded } from "../support/rows.ts";

const api = useApi();
const ts = 1_705_316_400;
const cellName = "pot 7";
let cellId: number;

beforeAll(async () => {
  ({ id: cellId } = await createCell(api.db, { name: cellName, uploadPolicy: "open" }));
  await createLogger(api.db, { name: "logger 7" });
  await api.app.listen({ port: 0, host: "127.0.0.1" });
});

const protobuf = "application/octet-stream";
const json = "application/json";
const form = "application/x-www-form-urlencoded";

/** What a client sends that knows more than a node: none of it may be found later. */
const secrets = {
  Authorization: "Bearer s3cret",
  "Proxy-Authorization": "Basic s3cret",
  Cookie: "session=s3cret",
  "X-API-Key": "s3cret",
  "X-Downlink-Apikey": "s3cret",
};

/** A door, how its uploads say what they are, and one of them that is as it should be. */
interface Door {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  body(): Buffer;
}

const version1: Door = {
  name: "version 1",
  url: "/api/sensor/",
  headers: { "content-type": protobuf },
  body: () => toVersion1({ case: "bme280", value: { pressure: 10_132, humidity: 65_250 } }),
};

const version2: Door = {
  name: "version 2",
  url: "/api/sensor/",
  headers: { "content-type": protobuf, sensorversion: "2" },
  body: toVersion2,
};

const plain: Door = {
  name: "plain JSON",
  url: "/api/sensor_json/",
  headers: { "content-type": json },
  body: () => toJson({ type: "lux", cellId, loggerId: 1, ts, data: { sun: 1, shade: 0.5 } }),
};

const power: Door = {
  name: "power by names",
  url: "/api/power/",
  headers: { "content-type": json },
  body: () => toJson({ cell: cellName, logger: "logger 7", ts, v: 0.85, i: 0.00012 }),
};

const doors: readonly Door[] = [
  version1,
  version2,
  plain,
  power,
  {
    ...version1,
    name: "version 1 that might be version 2",
    body: () => toVersion1({ case: "teros12", value: { vwcRaw: 2124.5, temp: 24.5, ec: 123 } }),
  },
  {
    name: "a webhook",
    url: "/api/sensor/",
    headers: { "content-type": `${json}; charset=utf-8` },
    body: () => toJson(webhook({ f_port: 2, frm_payload: base64(toVersion2()) })),
  },
  {
    ...power,
    name: "power by names, as a form",
    headers: { "content-type": form },
    body: () => Buffer.from("cell=pot+7&logger=logger+7&ts=1705316400&v=0.85&i=0.00012"),
  },
  {
    ...power,
    name: "TEROS by names",
    url: "/api/teros/",
    body: () => toJson({ cell: cellName, ts, vwc: 0.4, raw_vwc: 2100, temp: 20.5, ec: 90 }),
  },
  {
    name: "TEROS by names, as a form",
    url: "/api/teros/",
    headers: { "content-type": form },
    body: () => Buffer.from("cell=pot+7&ts=1705316400&vwc=0.4&raw_vwc=&temp=20.5&ec=90"),
  },
];

describe.each(doors)("$name", (door) => {
  it("is taken whole, or refused and kept whole, whatever happened to its bytes", async () => {
    const random = randomNumbers(door.name);
    for (let round = 0; round < 40; round++) await expectSound(door, damage(door.body(), random));
    expect((await upload(door, door.body())).statusCode).toBe(200);
  });

  it("is refused and kept under every other door's name", async () => {
    for (const other of doors) {
      const type = other.headers["content-type"];
      if (other.url !== door.url || type !== door.headers["content-type"])
        await expectSound({ ...door, url: other.url, headers: other.headers }, door.body());
    }
  });

  it.each(["", "\0", "\xff", "{", "null", "[]", '""', "0", "=", "&", "%", "\ufeff{}"])(
    "is refused and kept: %j",
    async (body) => {
      await expectSound(door, Buffer.from(body, "latin1"));
    },
  );
});

describe("names that no database holds", () => {
  const names = [
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "__proto__",
    "constructor",
    "",
    " ",
    "\t\n",
  ];

  it.each(names)("%j is taken or refused, everywhere", async (name) => {
    const bodies: [Door, object][] = [
      [plain, { type: name, cellId, ts, data: { a: 1 } }],
      [plain, { type: "lux", cellId, ts, data: { [name]: 1, [`${name}x`]: 2 } }],
      [plain, { type: "lux", cellId, ts, data: { [name]: "x" } }],
      [plain, { type: "bme280", cellId, ts, data: { [name]: 1 } }],
      [plain, webhook({ f_port: 1, frm_payload: name })],
      [plain, webhook({ decoded_payload: { type: name, cellId, data: { [name]: 1 } } })],
      [plain, { ...webhook({ f_port: 202 }), end_device_ids: { device_id: name } }],
      [power, { cell: name, ts, v: 1, i: 1 }],
      [power, { cell: cellName, logger: name, ts, v: 1, i: 1 }],
    ];
    for (const [door, body] of bodies) await expectSound(door, toJson(body));
  });

  it("keeps apart names that differ in what text can't hold", async () => {
    const body = '{"type":"lux","cellId":1,"ts":1,"data":{"\\ud800":1,"\\ud801":2}}';
    expect((await upload(plain, Buffer.from(body))).statusCode).toBe(400);
  });
});

describe("numbers at their ends", () => {
  it.each([0, 4_294_967_295])("cell %d is unknown", async (unknown) => {
    const meta = { cellId: unknown, loggerId: 1, ts };
    const bodies: [Door, Uint8Array][] = [
      [version1, encodeVersion1(meta, flow)],
      [version2, encodeVersion2([{ meta, type: 10, value: decimal(1) }])],
      [plain, toJson({ type: "lux", ...meta, data: { a: 1 } })],
    ];
    for (const [door, body] of bodies) expect(await expectSound(door, body)).toBe(400);
  });

  it.each([0, 4_294_967_295])("logger %d is remembered", async (loggerId) => {
    const cell = await newCell(api);
    const added = await rowsAdded(api.db, async () => {
      const body = encodeVersion1({ cellId: cell, loggerId, ts }, flow);
      expect((await upload(version1, body)).statusCode).toBe(200);
    });
    expect(added).toEqual({ sensor: 1, reading: 1, logger_sighting: 1 });
  });

  it.each([0, 4_294_967_295])("instant %d is kept as the device sent it", async (instant) => {
    const cell = await newCell(api);
    const body = encodeVersion1({ cellId: cell, loggerId: 1, ts: instant }, flow);
    expect((await upload(version1, body)).statusCode).toBe(200);
    const query = { endTime: "4294967295" };
    const read = await readSensor(api, cell, ["yfs210c", "flow"], query);
    expect([read.timestamp, read.data]).toEqual([[instant], [2.5]]);
  });

  it.each([
    [Number.MAX_VALUE, Number.MAX_VALUE],
    [-Number.MAX_VALUE, -Number.MAX_VALUE],
    [Number.MIN_VALUE, Number.MIN_VALUE],
    [-0, 0],
    [Number.NaN, null],
    [Number.NEGATIVE_INFINITY, null],
  ])("value %d is read back as %d", async (value, stored) => {
    const cell = await newCell(api);
    const meta = { cellId: cell, loggerId: 1, ts };
    const message = encodeVersion1(meta, {
      case: "sen0308",
      value: { voltage: value, humidity: value },
    });
    expect((await upload(version1, message)).statusCode).toBe(200);
    const { data } = await readSensor(api, cell, ["sen0308", "humidity"]);
    expect(data.map((read) => read && read + 0)).toEqual([stored]);
  });

  it.each([
    [1e200, 1e200],
    [1e-200, 1e-200],
    [Number.MAX_VALUE, -Number.MAX_VALUE],
    [Number.MIN_VALUE, Number.MIN_VALUE],
  ])("%d V and %d A, whose product no double holds, are taken", async (voltage, current) => {
    const meta = { cellId: await newCell(api), loggerId: 1, ts };
    const message = encodeVersion1(meta, { case: "power", value: { voltage, current } });
    expect((await upload(version1, message)).statusCode).toBe(200);
  });
});

describe("Content-Type", () => {
  it.each<[string, Door, number]>([
    [protobuf, version1, 200],
    ["APPLICATION/Octet-Stream", version1, 200],
    ["\tapplication/octet-stream\t ", version1, 200],
    ["application/octet-stream;x", version1, 200],
    ["application/octet-stream ; charset=binary;;", version1, 200],
    ["application/octet-stream\r\nContent-Type: application/json", version1, 200],
    ["application/octet-stream, application/json", version1, 415],
    ["application/octet-streams", version1, 415],
    ["application/octet-stream\xff", version1, 415],
    [";application/octet-stream", version1, 415],
    ['"application/octet-stream"', version1, 415],
    ["octet-stream", version1, 415],
    ["*/*", version1, 415],
    ["", version1, 415],
    ["x".repeat(9000), version1, 415],
    [json, version1, 400],
    [json, plain, 200],
    ["application/json; charset=utf-8", plain, 200],
    ['Application/JSON;charset="utf-8"', plain, 200],
    ["application/json;", plain, 200],
    ["application/json+x", plain, 415],
    ["text/json", plain, 415],
    [form, plain, 415],
    ["multipart/form-data; boundary=x", plain, 415],
    [protobuf, plain, 400],
  ])("%j", async (type, door, status) => {
    await expectOverTheWire(`Content-Type: ${type}\r\n`, door.body(), status);
  });

  it("is missing", async () => {
    await expectOverTheWire("", version1.body(), 415);
  });

  it.each([
    ["2", 400],
    ["1", 200],
    ["3", 200],
    ["", 200],
    ["2, 2", 200],
  ])("SensorVersion: %j, with version 1", async (version, status) => {
    const headers = `Content-Type: ${protobuf}\r\nSensorVersion: ${version}\r\n`;
    await expectOverTheWire(headers, version1.body(), status);
  });
});

const flow = { case: "yfs210c", value: { flow: 2.5 } } as const;

function toVersion1(measurement: Parameters<typeof encodeVersion1>[1]): Buffer {
  return Buffer.from(encodeVersion1({ cellId, loggerId: 1, ts }, measurement));
}

function toVersion2(): Buffer {
  const measurements = [10, 11, 31].map((type, idx) => ({ type, value: decimal(type / 4), idx }));
  return Buffer.from(encodeVersion2(measurements, { meta: { cellId, loggerId: 1, ts } }));
}

function toJson(body: unknown): Buffer {
  return Buffer.from(JSON.stringify(body));
}

async function upload({ url, headers }: Door, body: Uint8Array) {
  const payload = Buffer.from(body);
  return await api.inject({ method: "POST", url, payload, headers: { ...headers, ...secrets } });
}

/**
 * Uploads, and expects that all is stored or nothing, and what was refused is in quarantine: its bytes, what it
 * said of itself but no secrets, the reason and the time.
 */
async function expectSound(door: Door, body: Uint8Array): Promise<number> {
  let status = 0;
  const added = await rowsAdded(api.db, async () => {
    api.now += 1;
    status = (await upload(door, body)).statusCode;
  });
  const sent = `${door.name}: ${Buffer.from(body).toString("hex")}`;
  expect(status, sent).toBeLessThan(500);
  if (status >= 400) {
    expect(added, sent).toEqual({ quarantine: 1 });
    await expectKept(body, door.headers["content-type"] ?? "");
  } else expect(added, sent).not.toHaveProperty("quarantine");
  return status;
}

async function expectKept(body: Uint8Array, contentType: string): Promise<void> {
  const kept = await api.db
    .selectFrom("quarantine")
    .selectAll()
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirstOrThrow();
  expect(kept.body).toEqual(Buffer.from(body));
  expect(kept.received_at).toEqual(new Date(api.now * 1000));
  expect(kept.headers["content-type"]).toBe(contentType);
  expect(JSON.stringify(kept.headers)).not.toContain("s3cret");
  expect(kept.code).toMatch(/^[a-z_]+$/);
  expect(kept.code).not.toBe("internal_error");
  expect(kept.reason).not.toBe("");
}

/** Uploads as bytes on the wire, where headers can be what a library would never send. */
async function expectOverTheWire(headers: string, body: Buffer, status: number): Promise<void> {
  const connection = new RawConnection((api.app.server.address() as AddressInfo).port);
  const head = `POST /api/sensor/ HTTP/1.1\r\nConnection: close\r\n${headers}Content-Length: ${body.length}\r\n\r\n`;
  const added = await rowsAdded(api.db, async () => {
    connection.send(Buffer.concat([Buffer.from(head, "latin1"), body]));
    expect((await connection.answer()).status).toBe(status);
  });
  await connection.closed;
  if (status === 200) return expect(added).not.toHaveProperty("quarantine");
  expect(added).toEqual({ quarantine: 1 });
  const type = /^Content-Type:[ \t]*(.*?)[ \t]*\r\n/.exec(headers)?.[1] ?? "";
  await expectKept(body, type);
}

/** A message with one to three wounds: bits that flipped, bytes that are lost, repeated or strange. */
function damage(message: Buffer, random: () => number): Buffer {
  let bytes = message;
  for (let wounds = 1 + Math.floor(random() * 3); wounds > 0; wounds--) {
    const at = Math.floor(random() * bytes.length);
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
    const strange = Buffer.from([Math.floor(random() * 256)]);
    const ways = [
      [head],
      [head, strange, tail],
      [head, strange, tail.subarray(1)],
      [head, tail.subarray(1 + Math.floor(random() * 4))],
      [head, tail, tail],
      [tail, head],
      [bytes, Buffer.alloc(Math.floor(random() * 5000), strange)],
    ];
    bytes = Buffer.concat(ways[Math.floor(random() * ways.length)]!);
  }
  return bytes;
}

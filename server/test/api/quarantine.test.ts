import type { InjectOptions } from "fastify";
import { beforeEach, describe, expect, it } from "vitest";
import { createCell } from "../../src/store/cells.ts";
import { useApi } from "../support/api.ts";
import { newCell, readSensor } from "../support/cells.ts";
import {
  base64,
  decimal,
  decodeVerdicts,
  encodeVersion1,
  encodeVersion2,
  unknownSensorType,
  version2,
  webhook,
} from "../support/messages.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";

const api = useApi();
const ts = 1_705_316_400;
const nowhere = 999_999;

let cellId = 0;
beforeEach(async () => {
  cellId = await newCell(api);
});

const octets = { "content-type": "application/octet-stream" };
const json = { "content-type": "application/json" };
const form = { "content-type": "application/x-www-form-urlencoded" };

function flow(cell: number): Uint8Array {
  return encodeVersion1({ cellId: cell, ts }, { case: "yfs210c", value: { flow: 1 } });
}

function temperatures(...cells: number[]): Uint8Array {
  return encodeVersion2(
    cells.map((cell, idx) => ({
      meta: { cellId: cell, loggerId: 1, ts: ts + idx },
      type: 10,
      value: decimal(idx),
      idx: idx + 5,
    })),
  );
}

function plain(measurement: object): string {
  return JSON.stringify({
    type: "yfs210c",
    cellId: nowhere,
    ts,
    data: { flow: 1 },
    ...measurement,
  });
}

/** Uploads that can't be placed: their headers, their bodies, the status and the code that they get. */
const refused: readonly [string, Record<string, string>, Uint8Array | string, number, string][] = [
  ["an unknown cell, version 1", octets, flow(nowhere), 400, "unknown_cell"],
  ["cell 0, version 1", octets, flow(0), 400, "unknown_cell"],
  ["a cell past all numbers", octets, flow(2 ** 32 - 1), 400, "unknown_cell"],
  [
    "an unknown cell, version 2",
    { ...octets, ...version2 },
    temperatures(nowhere),
    400,
    "unknown_cell",
  ],
  ["an unknown cell, JSON", json, plain({}), 400, "unknown_cell"],
  ["bytes that are no message", octets, Buffer.from("ffffff", "hex"), 400, "undecodable"],
  ["a message cut short", octets, flow(1).subarray(0, -3), 400, "undecodable"],
  ["nothing, version 1", octets, "", 400, "invalid_measurement"],
  ["nothing, version 2", { ...octets, ...version2 }, "", 400, "invalid_measurement"],
  [
    "a measurement without a value",
    octets,
    Buffer.from("0a020801", "hex"),
    400,
    "invalid_measurement",
  ],
  [
    "a sensor type from the future",
    { ...octets, ...version2 },
    encodeVersion2([{ meta: { cellId: 1, ts }, type: unknownSensorType, value: decimal(1) }]),
    400,
    "unsupported_sensor",
  ],
  [
    "no meta",
    { ...octets, ...version2 },
    encodeVersion2([{ type: 10, value: decimal(1) }]),
    400,
    "invalid_measurement",
  ],
  [
    "no type",
    { ...octets, ...version2 },
    encodeVersion2([{ meta: { cellId: 1, ts }, value: decimal(1) }]),
    400,
    "invalid_measurement",
  ],
  [
    "no value",
    { ...octets, ...version2 },
    encodeVersion2([{ meta: { cellId: 1, ts }, type: 10 }]),
    400,
    "invalid_measurement",
  ],
  ["half of a JSON document", json, '{"type": "bme280", ', 400, "undecodable"],
  ["JSON that is not UTF-8", json, Buffer.from("22ff22", "hex"), 400, "undecodable"],
  ["JSON that is no measurement", json, "[]", 400, "invalid_measurement"],
  ["nothing, JSON", json, "", 400, "undecodable"],
  ["a missing key", json, plain({ data: {} }), 400, "invalid_measurement"],
  ["a word for a number", json, plain({ data: { flow: "much" } }), 400, "invalid_measurement"],
  ["a time in milliseconds", json, plain({ ts: 1_705_316_400_000 }), 400, "invalid_measurement"],
  [
    "a webhook on a port of its own",
    json,
    JSON.stringify(webhook({ f_port: 9, frm_payload: "AQ==" })),
    404,
    "unknown_port",
  ],
  [
    "a webhook that is not base64",
    json,
    JSON.stringify(webhook({ f_port: 1, frm_payload: "%%%" })),
    400,
    "undecodable",
  ],
  [
    "a webhook without payload",
    json,
    JSON.stringify(webhook({ f_port: 1 })),
    400,
    "invalid_measurement",
  ],
  [
    "a webhook for an unknown cell",
    json,
    JSON.stringify(webhook({ f_port: 2, frm_payload: base64(temperatures(nowhere)) })),
    400,
    "unknown_cell",
  ],
  ["text", { "content-type": "text/plain" }, "hello", 415, "unsupported_media_type"],
  ["a form", form, "type=power&v=1", 415, "unsupported_media_type"],
  [
    "a Content-Type that is none",
    { "content-type": "octets" },
    flow(1),
    415,
    "unsupported_media_type",
  ],
  ["no Content-Type", {}, flow(1), 415, "unsupported_media_type"],
];

describe("an upload that can't be placed", () => {
  it.each(refused)("%s: is kept whole", async (_, headers, payload, status, code) => {
    const kept = await quarantinedBy(api.db, async () => {
      const added = await rowsAdded(api.db, async () => {
        const answer = await api.inject(post("/api/sensor/", headers, payload));
        expect(answer.statusCode).toBe(status);
        expect(answer.rawPayload.length).toBeGreaterThan(0);
      });
      expect(added).toEqual({ quarantine: 1 });
    });
    expect(kept).toMatchObject([{ path: "/api/sensor/", code, body: Buffer.from(payload) }]);
    expect(kept[0]!.headers).toMatchObject(lowerCase(headers));
    expect(kept[0]!.reason).not.toBe("");
  });

  it.each([
    ["/api/sensor_json/", octets, "xx", 415],
    ["/api/power/", json, "{}", 400],
    ["/api/power/", form, "cell=nowhere&ts=1&v=1&i=1", 400],
    ["/api/power", { "content-type": "text/plain" }, "1", 415],
    ["/api/teros/", json, '{"cell":"nowhere","ts":1,"vwc":1,"temp":1,"ec":1}', 400],
    ["/api/teros/", octets, "xx", 415],
  ])("%s keeps it too (%o)", async (url, headers, payload, status) => {
    const kept = await quarantinedBy(api.db, async () => {
      expect((await api.inject(post(url, headers, payload))).statusCode).toBe(status);
    });
    expect(kept).toMatchObject([{ path: url, body: Buffer.from(payload) }]);
  });

  it("is kept with no more of an endless path than tells its door", async () => {
    const url = `${"/".repeat(5000)}api/sensor/`;
    const kept = await quarantinedBy(api.db, async () => {
      expect((await api.inject(post(url, octets, "xx"))).statusCode).toBe(400);
    });
    expect(kept[0]!.path).toHaveLength(200);
  });

  it("is kept without the sender's secrets", async () => {
    const secrets = { "x-api-key": "k", authorization: "Bearer t", cookie: "c=1" };
    const kept = await quarantinedBy(api.db, async () => {
      await api.inject(
        post("/api/sensor/", { ...octets, ...secrets, "user-agent": "ents/2.3.0" }, "x"),
      );
    });
    expect(kept[0]!.headers).toMatchObject({ "user-agent": "ents/2.3.0" });
    expect(Object.keys(kept[0]!.headers)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/x-api-key|authorization|cookie/)]),
    );
  });

  it("keeps a cell that takes uploads with a key only closed to others", async () => {
    const closed = await createCell(api.db, { name: `closed ${cellId}`, uploadPolicy: "key" });
    const kept = await quarantinedBy(api.db, async () => {
      const answer = await api.postBytes(flow(closed.id));
      expect([answer.statusCode, answer.rawPayload.toString("hex")]).toEqual([401, "0801"]);
    });
    expect(kept).toMatchObject([{ code: "upload_key_required" }]);
  });
});

describe("a version-2 message", () => {
  it("is stored whole or not at all, with a verdict for each measurement", async () => {
    const message = temperatures(cellId, nowhere, cellId);
    const kept = await quarantinedBy(api.db, async () => {
      const added = await rowsAdded(api.db, async () => {
        const answer = await api.postBytes(message, version2);
        expect(answer.statusCode).toBe(400);
        expect(answer.headers["content-type"]).toBe("application/octet-stream");
        expect(decodeVerdicts(answer.rawPayload)).toEqual([
          [5, 0],
          [6, 3],
          [7, 0],
        ]);
      });
      expect(added).toEqual({ quarantine: 1 });
    });
    expect(kept).toMatchObject([
      { format: "measurement/v2", code: "unknown_cell", body: Buffer.from(message) },
    ]);
    expect((await readSensor(api, cellId, ["BME280_TEMP", "Temperature"])).data).toEqual([]);
  });

  it("names each fault of its measurements", async () => {
    const meta = { cellId, ts };
    const message = encodeVersion2([
      { meta, type: 10, value: decimal(1), idx: 1 },
      { meta, type: unknownSensorType, value: decimal(1), idx: 2 },
      { meta, type: 10, idx: 3 },
      { type: 10, value: decimal(1), idx: 4 },
    ]);
    const answer = await api.postBytes(message, version2);
    expect(decodeVerdicts(answer.rawPayload)).toEqual([
      [1, 0],
      [2, 4],
      [3, 5],
      [4, 5],
    ]);
  });

  it("that is none is told so", async () => {
    const answer = await api.postHex("c8c9ca", version2);
    expect(decodeVerdicts(answer.rawPayload)).toEqual([[0, 6]]);
  });

  it("is told its first fault alone where the list would overrun a node's memory", async () => {
    const cells = Array.from({ length: 200 }, (_, at) => (at < 150 ? cellId : nowhere));
    const answer = await api.postBytes(temperatures(...cells), version2);
    expect(decodeVerdicts(answer.rawPayload)).toEqual([[155, 3]]);
  });
});

describe("what holds nothing to store is not kept", () => {
  it.each([
    ["a clock synchronisation", webhook({ f_port: 202, frm_payload: "AQI=" })],
    ["an uplink without a port", webhook({})],
    ["a join accept", { end_device_ids: { device_id: "x" }, join_accept: {} }],
    ["a downlink event", { end_device_ids: { device_id: "x" }, downlink_ack: {} }],
  ])("%s", async (_, body) => {
    const added = await rowsAdded(api.db, async () => {
      expect((await api.postJson("/api/sensor/", body)).statusCode).toBe(200);
    });
    expect(added).toEqual({});
  });
});

function post(url: string, headers: Record<string, string>, payload: string | Uint8Array) {
  const body = typeof payload === "string" ? payload : Buffer.from(payload);
  return { method: "POST", url, headers, payload: body } satisfies InjectOptions;
}

function lowerCase(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

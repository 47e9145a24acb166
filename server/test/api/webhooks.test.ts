import { beforeEach, describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell, readSensor } from "../support/cells.ts";
import { base64, decimal, encodeVersion1, encodeVersion2, webhook } from "../support/messages.ts";
import { rowsAdded } from "../support/rows.ts";

const api = useApi();
const ts = 1_705_316_400;
const flow = ["yfs210c", "flow"] as const;
/** When the webhook of the fixtures says that its uplink came. */
const uplinkReceivedAt = Date.parse("2024-01-15T12:00:00Z") / 1000;

let cellId = 0;
beforeEach(async () => {
  cellId = await newCell(api);
});

const version1 = () =>
  base64(encodeVersion1({ cellId, loggerId: 1, ts }, { case: "yfs210c", value: { flow: 2.5 } }));
const version2 = () =>
  base64(encodeVersion2([{ meta: { cellId, loggerId: 1, ts }, type: 10, value: decimal(2.5) }]));

describe("a webhook of The Things Stack", () => {
  it.each([
    ["version 1 on port 1", 1, version1, flow],
    ["version 2 on port 2", 2, version2, ["BME280_TEMP", "Temperature"] as const],
  ])("stores %s, once however often it comes", async (_, f_port, payload, stream) => {
    const body = webhook({ f_port, frm_payload: payload() });
    const added = await rowsAdded(api.db, async () => {
      for (const _again of [1, 2])
        expect((await api.postJson("/api/sensor/", body)).statusCode).toBe(200);
    });
    expect(added).toEqual({ reading: 1, sensor: 1, logger_sighting: 1 });
    expect(await readSensor(api, cellId, stream)).toMatchObject({ data: [2.5], timestamp: [ts] });
  });

  it("may say its charset", async () => {
    const answer = await api.inject({
      method: "POST",
      url: "/api/sensor/",
      headers: { "content-type": "application/json; charset=utf-8" },
      payload: JSON.stringify(webhook({ f_port: 1, frm_payload: version1() })),
    });
    expect(answer.statusCode).toBe(200);
    expect((await readSensor(api, cellId, flow)).data).toEqual([2.5]);
  });

  it("stores the payload of its port, whatever the network made of it", async () => {
    const decoded_payload = { type: "yfs210c", cellId, data: { flow: 99 } };
    const body = webhook({ f_port: 1, frm_payload: version1(), decoded_payload });
    await api.postJson("/api/sensor/", body);
    expect((await readSensor(api, cellId, flow)).data).toEqual([2.5]);
  });

  it("answers 404 on a port that nobody uses, and says so", async () => {
    const answer = await api.postJson("/api/sensor/", webhook({ f_port: 9, frm_payload: "AQ==" }));
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toMatchObject({
      code: "unknown_port",
      message: "f_port not recognized: 9",
    });
  });

  it.each([
    ["a clock synchronisation", webhook({ f_port: 202, frm_payload: "AQ==" }), /timesync/],
    ["no port", webhook({ frm_payload: "AQ==" }), /f_port/],
    ["no uplink", { end_device_ids: { device_id: "x" }, join_accept: {} }, /uplink_message/],
    ["an uplink that is null", { end_device_ids: {}, uplink_message: null }, /uplink_message/],
    ["a payload of another kind", webhook({ decoded_payload: { battery: 3.7 } }), /f_port/],
  ])("answers 200 and stores nothing for %s", async (_, body, sentence) => {
    const added = await rowsAdded(api.db, async () => {
      const answer = await api.postJson("/api/sensor/", body);
      expect(answer.statusCode).toBe(200);
      expect(answer.body).toMatch(sentence);
    });
    expect(added).toEqual({});
  });
});

function decoded(more: object): object {
  const payload = { type: "yfs210c", cellId, loggerId: 1, data: { flow: 7.5 }, ...more };
  return webhook({ decoded_payload: payload });
}

describe("a measurement that the network decoded, without a port", () => {
  it("is stored at its own time", async () => {
    expect((await api.postJson("/api/sensor/", decoded({ ts }))).statusCode).toBe(200);
    expect(await readSensor(api, cellId, flow)).toMatchObject({ data: [7.5], timestamp: [ts] });
  });

  it.each([{}, { ts: null }])("is stored at the time of its arrival: %o", async (timeless) => {
    expect((await api.postJson("/api/sensor/", decoded(timeless))).statusCode).toBe(200);
    const read = await readSensor(api, cellId, flow);
    expect(read).toMatchObject({ data: [7.5], timestamp: [uplinkReceivedAt] });
  });

  it("is stored at the webhook's own time of arrival where the uplink has none", async () => {
    const decoded_payload = { type: "yfs210c", cellId, data: { flow: 7.5 } };
    const uplink = webhook({ decoded_payload, received_at: undefined });
    const body = { ...uplink, received_at: "2024-01-15T13:00:00Z" };
    await api.postJson("/api/sensor/", body);
    expect((await readSensor(api, cellId, flow)).timestamp).toEqual([uplinkReceivedAt + 3600]);
  });

  it("is refused with the key that it lacks", async () => {
    const answer = await api.postJson("/api/sensor/", decoded({ data: {} }));
    expect(answer.statusCode).toBe(400);
    expect(answer.json().message).toBe("data.flow is missing");
  });
});

import { describe, expect, it } from "vitest";
import { newCell, readSensor } from "../support/cells.ts";
import { useApi } from "../support/api.ts";

const api = useApi();
const ts = 1_705_316_400;

async function upload(cellId: number, type: string, data: object): Promise<number> {
  return (await api.postJson("/api/sensor/", { type, cellId, ts, data })).statusCode;
}

async function power(cellId: number) {
  const { v, i, p } = (await api.get(`/api/power/${cellId}?startTime=0&resample=none`)).json();
  return { v, i, p };
}

describe("plain JSON of a type that is also a sensor's name", () => {
  it("can't tell a power that its voltage and current don't make", async () => {
    const cell = await newCell(api);
    expect(await upload(cell, "POWER", { Power: 5 })).toBe(400);
    expect(await upload(cell, "power", { voltage: 1, current: 0.001 })).toBe(200);
    expect(await power(cell)).toEqual({ v: [1000], i: [1000], p: [1000] });
  });

  it("is another stream where its measurement is another", async () => {
    const cell = await newCell(api);
    expect(await upload(cell, "POWER_VOLTAGE", { foo: 7 })).toBe(200);
    expect(await upload(cell, "TEROS12_VWC_ADJ", { foo: 0.5 })).toBe(200);
    expect(await upload(cell, "power", { voltage: 1, current: 0.001 })).toBe(200);
    expect(await power(cell)).toEqual({ v: [1000], i: [1000], p: [1000] });
    expect((await readSensor(api, cell, ["TEROS12_VWC_ADJ", "foo"])).data).toEqual([0.5]);
  });

  it("is the sensor's stream where its measurement is the same, unit included", async () => {
    const cell = await newCell(api);
    expect(await upload(cell, "BME280_TEMP", { Temperature: 21 })).toBe(200);
    const { data, unit } = await readSensor(api, cell, ["BME280_TEMP", "Temperature"]);
    expect([data, unit]).toEqual([[21], "C"]);
  });
});

describe("plain JSON of a d10", () => {
  it("may leave out what older scripts don't send", async () => {
    const cell = await newCell(api);
    expect(await upload(cell, "d10", { flow: 1.5 })).toBe(200);
    expect((await readSensor(api, cell, ["d10", "flow"])).data).toEqual([1.5]);
    expect((await api.get(`/api/cell/${cell}/sensors`)).json()).toHaveLength(1);
    expect(await upload(cell, "d10", { volumeElapsed: 1, timeElapsed: 1 })).toBe(400);
  });
});

describe("a request that says it is a node's", () => {
  it.each(["/api/cell/id", "/api/power/1", "/api/openapi.json", "/api/auth/logged_in"])(
    "is refused in few bytes at %s, whose answers don't fit one",
    async (url) => {
      const answer = await api.inject({
        url,
        headers: { "content-type": "application/octet-stream" },
      });
      expect([answer.statusCode, answer.rawPayload.toString("hex")]).toEqual([415, "0801"]);
    },
  );

  it("is answered at GET /api/", async () => {
    const answer = await api.inject({
      url: "/api/",
      headers: { "content-type": "application/octet-stream" },
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.rawPayload.length).toBeLessThanOrEqual(222);
  });
});

describe("POST /api/equations/validate", () => {
  it("takes a form too", async () => {
    const answer = await api.inject({
      method: "POST",
      url: "/api/equations/validate",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      payload: "expression=1%3Avwc*2&cell_ids=1,2",
    });
    expect([answer.statusCode, answer.json()]).toEqual([
      200,
      { ok: true, refs: ["1:vwc"], expression: "1:vwc*2" },
    ]);
  });
});

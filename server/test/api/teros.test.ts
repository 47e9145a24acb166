import { beforeEach, describe, expect, it } from "vitest";
import { getCell } from "../../src/store/cells.ts";
import { useApi } from "../support/api.ts";
import { newCell, readSensor } from "../support/cells.ts";
import { encodeVersion1, encodeVersion2, decimal, version2 } from "../support/messages.ts";
import { rowsAdded } from "../support/rows.ts";

const api = useApi();
const ts = 1_705_316_400;

let cellId = 0;
let name = "";
beforeEach(async () => {
  cellId = await newCell(api);
  ({ name } = await getCell(api.db, cellId));
});

async function readTeros(query = "resample=none") {
  return (
    await api.get(`/api/teros/${cellId}?startTime=0&timestamps=unix&${query}`)
  ).json<object>();
}

/** A conductivity for a version-2 message. */
function ecOf(at: number, ec: number) {
  return { meta: { cellId, ts: at }, type: 6, value: decimal(ec) };
}

describe("GET /api/teros/{cell}", () => {
  it("shows both versions as one series, in percent", async () => {
    const value = { vwcRaw: 2000.5, vwcAdj: 0.25, temp: 20.5, ec: 100 };
    await api.postBytes(encodeVersion1({ cellId, ts }, { case: "teros12", value }));
    const meta = { cellId, ts: ts + 1 };
    const measurements = [
      { meta, type: 3, value: decimal(2100.5) },
      { meta, type: 4, value: decimal(30.5) },
      { meta, type: 5, value: decimal(21.5) },
      { meta, type: 6, value: { case: "unsignedInt", value: 110 } as const },
    ];
    await api.postBytes(encodeVersion2(measurements), version2);
    expect(await readTeros()).toEqual({
      timestamp: [ts, ts + 1],
      vwc: [25, 30.5],
      temp: [20.5, 21.5],
      ec: [100, 110],
      raw_vwc: [2000.5, 2100.5],
      vwc_unit: "%",
      raw_vwc_unit: "raw",
    });
  });

  it("truncates the mean conductivity to an integer, towards zero", async () => {
    await api.postBytes(encodeVersion2([ecOf(ts, 117), ecOf(ts + 1, 118.8)]), version2);
    await api.postBytes(encodeVersion2([ecOf(ts + 3600, -0.5)]), version2);
    expect(await readTeros("resample=hour")).toMatchObject({ ec: [117, 0], vwc: [null, null] });
  });
});

describe("POST /api/teros", () => {
  const sent = { vwc: 0.25, raw_vwc: 2000.5, temp: 20.5, ec: 100, water_pot: -4.5 };

  it("stores what a cell's name stands for, and answers what it got", async () => {
    const added = await rowsAdded(api.db, async () => {
      const answer = await api.postJson("/api/teros/", {
        type: "teros12",
        cell: name,
        ts,
        ...sent,
      });
      expect(answer.statusCode).toBe(200);
      expect(answer.json()).toMatchObject({ ...sent, ts: "2024-01-15T11:00:00" });
    });
    expect(added).toEqual({ sensor: 5, reading: 5 });
    expect(await readTeros()).toMatchObject({
      timestamp: [ts],
      vwc: [25],
      temp: [20.5],
      ec: [100],
      raw_vwc: [2000.5],
    });
    const potential = await readSensor(api, cellId, ["teros12", "waterPot"]);
    expect(potential).toMatchObject({ data: [-4.5], unit: "kPa" });
  });

  it("takes a form, with what is optional left out or empty", async () => {
    const answer = await api.inject({
      method: "POST",
      url: "/api/teros/",
      headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
      payload: `cell=${encodeURIComponent(name)}&ts=${ts}&vwc=0.25&temp=20.5&ec=100&raw_vwc=`,
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ vwc: 0.25, raw_vwc: null, water_pot: null });
    expect(await readTeros()).toMatchObject({ vwc: [25], raw_vwc: [null] });
  });

  it("refuses a cell that there is not, and creates none", async () => {
    const added = await rowsAdded(api.db, async () => {
      const answer = await api.postJson("/api/teros/", { cell: "nowhere", ts, ...sent });
      expect(answer.statusCode).toBe(400);
    });
    expect(added).toEqual({ quarantine: 1 });
  });
});

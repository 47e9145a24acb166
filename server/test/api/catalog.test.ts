import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { decimal, encodeVersion2, version2 } from "../support/messages.ts";

const api = useApi();

interface Entry {
  readonly panel_id: string;
  readonly kind: string;
  readonly sensor_name?: string;
}

async function entriesOf(cellId: number): Promise<Entry[]> {
  const answer = await api.get(`/api/catalog/sensors?cell_id=${cellId}`);
  expect(answer.json()).toMatchObject({ cell_id: cellId });
  return answer.json<{ entries: Entry[] }>().entries;
}

/** A cell with one reading of each of some version-2 types. */
async function cellWith(...types: number[]): Promise<number> {
  const cellId = await newCell(api);
  const measurements = types.map((type) => ({
    meta: { cellId, ts: 1_705_316_400 },
    type,
    value: decimal(2),
  }));
  const answer = await api.postBytes(encodeVersion2(measurements), version2);
  expect(answer.statusCode).toBe(200);
  return cellId;
}

describe("GET /api/catalog/sensors", () => {
  it.each([
    ["voltage", [1], ["power-vi", "power-p"]],
    ["current", [2], ["power-vi", "power-p"]],
    ["water content", [4], ["teros"]],
    ["raw water content", [3], ["teros"]],
    ["conductivity", [6], ["teros"]],
    ["soil temperature", [5], ["temp"]],
    ["all of them", [5, 4, 2, 1], ["power-vi", "power-p", "teros", "temp"]],
    ["none of them", [10], []],
  ])("has the ready charts for %s", async (_, types, panels) => {
    const entries = await entriesOf(await cellWith(...types));
    const builtin = entries.filter(({ kind }) => kind === "builtin");
    expect(builtin.map(({ panel_id }) => panel_id)).toEqual(panels);
    expect(entries.slice(0, builtin.length)).toEqual(builtin);
  });

  it("has a chart for each sensor with readings, by name, and none for the product of two", async () => {
    const entries = await entriesOf(await cellWith(31, 1, 2, 10));
    const sensors = entries.filter(({ kind }) => kind === "sensor");
    expect(sensors.map(({ sensor_name }) => sensor_name)).toEqual([
      "ALSMPM2F_WATER_LEVEL",
      "BME280_TEMP",
      "POWER_CURRENT",
      "POWER_VOLTAGE",
    ]);
  });

  it("says what a chart shows", async () => {
    const cellId = await cellWith(10);
    const [sensor] = (await api.get(`/api/cell/${cellId}/sensors`)).json<{ id: number }[]>();
    expect(await entriesOf(cellId)).toEqual([
      {
        panel_id: `s:${sensor!.id}`,
        label: "Temperature",
        description: "BME280_TEMP · Temperature · C",
        category: "generic",
        kind: "sensor",
        sensor_id: sensor!.id,
        sensor_name: "BME280_TEMP",
        measurement: "Temperature",
        unit: "C",
      },
    ]);
  });

  it("leaves out a unit that there is not", async () => {
    const cellId = await newCell(api);
    const data = { gust: 11.5 };
    await api.postJson("/api/sensor/", { type: "anemometer", cellId, ts: 1, data });
    expect(await entriesOf(cellId)).toMatchObject([{ description: "anemometer · gust", unit: "" }]);
  });

  it.each([999_999, 99_999_999_999])("has none for cell %d, which there is not", async (cellId) => {
    expect(await entriesOf(cellId)).toEqual([]);
  });

  it.each([
    ["", "cell_id parameter is required"],
    ["?cell_id=", "cell_id parameter is required"],
    ["?cell_id=x", "Invalid cell_id format"],
    ["?cell_id=1,2", "Invalid cell_id format"],
    ["?cell_id=-1", "Invalid cell_id format"],
  ])("answers 400 for %j, under the keys of old and new clients", async (query, message) => {
    const answer = await api.get(`/api/catalog/sensors${query}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
    expect(answer.json()).toMatchObject({ error: message, message, detail: message, status: 400 });
  });
});

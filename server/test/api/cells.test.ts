import { beforeAll, describe, expect, it } from "vitest";
import { createCell } from "../../src/store/cells.ts";
import { useApi } from "../support/api.ts";
import { decimal, encodeVersion2, version2 } from "../support/messages.ts";

const api = useApi();

const orchard = {
  id: 1,
  name: "Orchard 100%",
  location: "north slope",
  latitude: 0,
  longitude: -180,
  archive: false,
  user_id: null,
  upload_policy: "open",
};
const meadow = {
  id: 2,
  name: "meadow",
  location: null,
  latitude: null,
  longitude: null,
  archive: false,
  user_id: null,
  upload_policy: "key",
};

beforeAll(async () => {
  const { name, location, latitude, longitude } = orchard;
  await createCell(api.db, { name, location, latitude, longitude, uploadPolicy: "open" });
  await createCell(api.db, { name: " meadow ", uploadPolicy: "key" });
});

describe("GET /api/cell", () => {
  it.each(["/api/cell/id", "/api/cell/id/", "/api/cell/", "/api/cell", "/api/cell?user=false"])(
    "%s lists all cells by number, to anyone",
    async (url) => {
      const answer = await api.get(url);
      expect([answer.statusCode, answer.json()]).toEqual([200, [orchard, meadow]]);
    },
  );

  it.each([
    ["ORCH", [orchard]],
    ["ea", [meadow]],
    ["0%25", [orchard]],
    ["_", []],
    ["%5C", []],
    ["", [orchard, meadow]],
    ["nothing", []],
  ])("finds cells whose name contains %j, as it stands", async (name, found) => {
    expect((await api.get(`/api/cell/?name=${name}`)).json()).toEqual(found);
  });

  it("lists one's own cells to those alone who have logged in", async () => {
    const answer = await api.get("/api/cell/?user=true");
    expect(answer.statusCode).toBe(401);
    expect(answer.json()).toMatchObject({ status: 401, code: "not_logged_in" });
  });
});

describe("GET /api/cell/{id}", () => {
  it.each(["/api/cell/1", "/api/cell/1/", "/api//cell/1"])("%s answers one cell", async (url) => {
    expect((await api.get(url)).json()).toEqual(orchard);
  });

  it("answers 404 for a cell that there is not", async () => {
    const answer = await api.get("/api/cell/3");
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toMatchObject({ message: "Cell not found", code: "cell_not_found" });
  });

  it.each(["x", "0", "-1", "1.5", "2147483648"])("answers 400 for cell %s", async (id) => {
    expect((await api.get(`/api/cell/${id}`)).statusCode).toBe(400);
  });
});

describe("GET /api/cell/{id}/sensors", () => {
  it("lists nothing for a cell without readings, and for one that there is not", async () => {
    expect((await api.get("/api/cell/2/sensors")).json()).toEqual([]);
    expect((await api.get("/api/cell/3/sensors/")).json()).toEqual([]);
  });

  it("lists sensors in the order of their first readings, each once", async () => {
    const meta = { cellId: 1, ts: 1_705_316_400 };
    const humidity = { meta, type: 11, value: decimal(40) };
    const temperature = { meta, type: 10, value: { case: "signedInt", value: -4 } as const };
    for (const message of [[humidity], [temperature, humidity]])
      await api.postBytes(encodeVersion2(message), version2);
    const sensors = (await api.get("/api/cell/1/sensors")).json<{ id: number }[]>();
    expect(sensors).toEqual([
      {
        id: expect.any(Number),
        cell_id: 1,
        name: "BME280_HUMIDITY",
        measurement: "Humidity",
        unit: "%",
        data_type: "float",
      },
      {
        id: expect.any(Number),
        cell_id: 1,
        name: "BME280_TEMP",
        measurement: "Temperature",
        unit: "C",
        data_type: "int",
      },
    ]);
    expect(new Set(sensors.map(({ id }) => id)).size).toBe(2);
  });
});

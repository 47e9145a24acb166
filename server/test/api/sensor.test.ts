import { beforeAll, describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell, readSensor } from "../support/cells.ts";

const api = useApi();
const ts = 1_705_316_400;

let cellId = 0;
beforeAll(async () => {
  cellId = await newCell(api);
  for (const [at, temp] of [20, 21, 25].entries())
    await api.postJson("/api/sensor/", {
      type: "teros21",
      cellId,
      ts: ts + at * 60,
      data: { matricPot: -10.5, temp },
    });
});

describe.each(["/api/sensor/", "/api/sensor", "/api/sensor_json/", "/api/sensor_json"])(
  "GET %s",
  (path) => {
    it("answers one stream of a cell", async () => {
      const answer = await api.get(`${path}?name=teros21&cellId=${cellId}&measurement=temp`);
      expect([answer.statusCode, answer.json()]).toEqual([
        200,
        {
          timestamp: ["Mon, 15 Jan 2024 11:00:00 GMT"],
          data: [22],
          measurement: "temp",
          unit: "C",
          type: "float",
        },
      ]);
    });

    it("answers nothing for a stream that there is not", async () => {
      const answer = await api.get(`${path}?name=teros21&cellId=${cellId}&measurement=Temp`);
      expect([answer.statusCode, answer.json()]).toEqual([
        200,
        { timestamp: [], data: [], measurement: "", unit: "", type: "" },
      ]);
    });
  },
);

describe("GET /api/sensor", () => {
  it("answers the same for a cell that there is not", async () => {
    const answer = await readSensor(api, 999_999, ["teros21", "temp"]);
    expect(answer).toMatchObject({ timestamp: [], data: [], measurement: "" });
  });

  it("names the stream of a span without readings", async () => {
    const answer = await readSensor(api, cellId, ["teros21", "temp"], { endTime: "1" });
    expect(answer).toEqual({
      timestamp: [],
      data: [],
      measurement: "temp",
      unit: "C",
      type: "float",
    });
  });

  it("answers the newest arrival last, as the irrigation firmware reads it", async () => {
    const { data } = await readSensor(api, cellId, ["teros21", "temp"], { stream: "true" });
    expect(data.at(-1)).toBe(25);
  });

  it.each([
    ["", "name"],
    [`?cellId=1&measurement=temp`, "name"],
    [`?name=teros21&measurement=temp`, "cellId"],
    [`?name=teros21&cellId=1`, "measurement"],
    [`?name=teros21&cellId=x&measurement=temp`, "cellId"],
    [`?name=teros21&cellId=0&measurement=temp`, "cellId"],
    [`?name=teros21&cellId=1.5&measurement=temp`, "cellId"],
    [`?name=%00&cellId=1&measurement=temp`, "name"],
    [`?name=teros21&cellId=1&measurement=temp&resample=fortnight`, "resample"],
    [`?name=teros21&cellId=1&measurement=temp&stream=maybe`, "stream"],
  ])("answers 400 for %s, and names what is wrong", async (query, parameter) => {
    const answer = await api.get(`/api/sensor/${query}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().message).toContain(parameter);
  });
});

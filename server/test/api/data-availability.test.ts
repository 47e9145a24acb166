import { beforeAll, describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";

const api = useApi();
const ts = 1_705_316_400;
const day_s = 86_400;

let early = 0;
let late = 0;
let empty = 0;
beforeAll(async () => {
  [early, late, empty] = [await newCell(api), await newCell(api), await newCell(api)];
  for (const [cellId, at] of [
    [early, ts - 40 * day_s],
    [early, ts - 30 * day_s],
    [late, ts],
    [late, ts + 0.5],
  ])
    await api.postJson("/api/sensor/", { type: "yfs210c", cellId, ts: at, data: { flow: 1 } });
});

async function availability(ids: string) {
  const answer = await api.get(`/api/data-availability/?cell_ids=${ids}`);
  expect(answer.statusCode).toBe(200);
  return answer.json<{ has_recent_data: boolean }>();
}

const none = {
  latest_timestamp: null,
  earliest_timestamp: null,
  has_recent_data: false,
  message: "No data found for specified cells",
};

describe("GET /api/data-availability", () => {
  it("answers the span of a cell's readings", async () => {
    expect(await availability(`${early}`)).toEqual({
      earliest_timestamp: "2023-12-06T11:00:00",
      latest_timestamp: "2023-12-16T11:00:00",
      has_recent_data: false,
      message: "success",
    });
  });

  it.each([
    ["both", () => `${early},${late}`],
    ["both, with spaces", () => `%20${late}%20,+${early}`],
    ["one that there is not among them", () => `${early},${late},999999,99999999999`],
  ])("answers the span of several: %s", async (_, ids) => {
    expect(await availability(ids())).toEqual({
      earliest_timestamp: "2023-12-06T11:00:00",
      latest_timestamp: "2024-01-15T11:00:00.500",
      has_recent_data: true,
      message: "success",
    });
  });

  it("isn't led astray by a clock that runs ahead, unless there is nothing else", async () => {
    const [mixed, ahead] = [await newCell(api), await newCell(api)];
    for (const [cellId, at] of [
      [mixed, ts - 40 * day_s],
      [mixed, api.now + 2 * day_s],
      [ahead, api.now + 2 * day_s],
    ])
      await api.postJson("/api/sensor/", { type: "yfs210c", cellId, ts: at, data: { flow: 1 } });
    expect(await availability(`${mixed}`)).toMatchObject({
      latest_timestamp: "2023-12-06T11:00:00",
      has_recent_data: false,
    });
    expect(await availability(`${ahead}`)).toMatchObject({
      latest_timestamp: "2024-01-18T00:00:00",
      has_recent_data: true,
    });
  });

  it("calls 14 days recent, to the second", async () => {
    const before = api.now;
    api.now = ts + 0.5 + 14 * day_s;
    expect((await availability(`${late}`)).has_recent_data).toBe(true);
    api.now += 1;
    expect((await availability(`${late}`)).has_recent_data).toBe(false);
    api.now = before;
  });

  it("has nothing for cells without readings, or that there are not", async () => {
    expect(await availability(`${empty}`)).toEqual(none);
    expect(await availability("999999")).toEqual(none);
    expect(await availability("99999999999")).toEqual(none);
  });

  it.each([
    ["", "cell_ids parameter is required"],
    ["?cell_ids=", "cell_ids parameter is required"],
    ["?cell_ids=a", "Invalid cell_ids format"],
    ["?cell_ids=1,", "Invalid cell_ids format"],
    ["?cell_ids=1;2", "Invalid cell_ids format"],
  ])("answers 400 for %j, under the keys of old and new clients", async (query, message) => {
    const answer = await api.get(`/api/data-availability/${query}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ error: message, message });
  });
});

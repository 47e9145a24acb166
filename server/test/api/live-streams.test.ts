import { describe, expect, it } from "vitest";
import { useApi, type TestApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { useListening } from "../support/listen.ts";
import { waitUntil } from "../support/wait-until.ts";
import { decimal, encodeVersion2, version2 } from "../support/messages.ts";

const api = useApi();
const server = useListening(api);
const ts = 1_705_316_400;

/** Stores some temperatures, a message for all of them. */
async function store(
  { postBytes }: Pick<TestApi, "postBytes">,
  cellId: number,
  values: readonly number[],
): Promise<void> {
  const measurements = values.map((value, idx) => ({
    meta: { cellId, loggerId: 7, ts: ts + value },
    type: 10,
    value: decimal(value),
    idx,
  }));
  expect((await postBytes(encodeVersion2(measurements), version2)).statusCode).toBe(200);
}

interface ServerEvent {
  readonly event: string | undefined;
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

/** Listens as a browser does, until some events are there. */
async function listen(
  path: string,
  isEnough: (events: readonly ServerEvent[]) => boolean,
  {
    headers = {},
    meanwhile,
  }: { headers?: Record<string, string>; meanwhile?: () => Promise<unknown> } = {},
): Promise<ServerEvent[]> {
  const leaving = new AbortController();
  const response = await fetch(`${server.url}${path}`, { headers, signal: leaving.signal });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  let text = "";
  const over = (async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
  })().catch(() => undefined);
  const eventsOf = () =>
    text
      .split("\n\n")
      .slice(0, -1)
      .filter((part) => part.includes("data:"))
      .map(parse);
  await waitUntil(() => eventsOf().length > 0);
  await meanwhile?.();
  await waitUntil(() => isEnough(eventsOf()));
  leaving.abort();
  await over;
  return eventsOf();
}

function parse(text: string): ServerEvent {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1];
  return {
    event: field("event"),
    id: field("id"),
    data: JSON.parse(field("data") ?? "") as ServerEvent["data"],
  };
}

const temperaturesOf = (events: readonly ServerEvent[]) =>
  events
    .filter(({ event }) => event === "measurement_received")
    .map(({ data }) => (data["data"] as Record<string, number>)["Temperature"]);

interface Since {
  readonly readings: readonly {
    readonly sensor: string;
    readonly value: number;
    readonly timestamp: number;
  }[];
  readonly cursor: string;
  readonly more: boolean;
}

async function since(cellId: number, query: Record<string, string> = {}): Promise<Since> {
  const parameters = new URLSearchParams({ cells: String(cellId), ...query });
  const response = await api.get(`/api/readings/since?${parameters.toString()}`);
  expect(response.statusCode).toBe(200);
  return response.json();
}

describe("GET /api/live", () => {
  it("tells what is stored in its cells, and says what it doesn't tell", async () => {
    const [cellId, other] = [await newCell(api), await newCell(api)];
    const events = await listen(
      `/api/live?cells=${cellId},999999`,
      (all) => temperaturesOf(all).length === 3,
      {
        meanwhile: async () => {
          await store(api, cellId, [1, 2]);
          await store(api, other, [3]);
          await store(api, cellId, [4]);
        },
      },
    );
    expect(events[0]).toMatchObject({
      event: "subscribed",
      data: { cellIds: [cellId], refused: [{ cellId: 999999, code: "cell_not_found" }] },
    });
    expect(temperaturesOf(events)).toEqual([1, 2, 4]);
    for (const { id, event, data } of events)
      if (event !== "subscribed") expect(data["cursor"]).toBe(id);
  });

  it("goes on from any event with what came after it, as often as it is cut off", async () => {
    const cellId = await newCell(api);
    const { cursor } = await since(cellId);
    await store(api, cellId, [1, 2, 3]);
    await store(api, cellId, [4, 5]);
    const all = await listen(
      `/api/live?cells=${cellId}&cursor=${cursor}`,
      (some) => temperaturesOf(some).length === 5,
    );
    expect(temperaturesOf(all)).toEqual([1, 2, 3, 4, 5]);
    for (const [at, { id }] of all.entries()) {
      const rest = await listen(
        `/api/live?cells=${cellId}`,
        (some) => temperaturesOf(some).includes(6 + at),
        {
          headers: { "Last-Event-ID": id! },
          meanwhile: () => store(api, cellId, [6 + at]),
        },
      );
      const new_ = Array.from({ length: at + 1 }, (_, nth) => 6 + nth);
      expect(temperaturesOf(rest)).toEqual([...[1, 2, 3, 4, 5].slice(at), ...new_]);
    }
  });

  it.each([
    ["?cells=999999", 404, "cell_not_found"],
    ["?cells=x", 400, "cells_invalid"],
    ["", 400, "invalid_request"],
    ["?cells=1&cursor=nonsense", 400, "cursor_invalid"],
    ["?cells=1&cursor=1-1-1-1", 410, "cursor_gone"],
  ])("%s is answered %d", async (query, status, code) => {
    await newCell(api);
    const response = await api.get(`/api/live${query}`);
    expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([status, code]);
  });
});

describe("GET /api/readings/since", () => {
  it("has nothing without a cursor but where to go on, and then all that was stored, power too", async () => {
    const cellId = await newCell(api);
    const begin = await since(cellId);
    expect(begin).toMatchObject({ readings: [], more: false });
    const meta = { cellId, loggerId: 7, ts };
    const message = encodeVersion2([
      { meta, type: 1, value: decimal(800), idx: 0 },
      { meta, type: 2, value: decimal(100), idx: 1 },
    ]);
    await api.postBytes(message, version2);
    await api.postBytes(message, version2);
    await expect
      .poll(async () => (await since(cellId, { cursor: begin.cursor })).readings.length)
      .toBeGreaterThan(0);
    const { readings, cursor, more } = await since(cellId, { cursor: begin.cursor });
    expect(readings.map(({ sensor, value, timestamp }) => [sensor, value, timestamp])).toEqual([
      ["power.v", 800, ts],
      ["power.i", 100, ts],
      ["power.p", 80, ts],
    ]);
    expect(more).toBe(false);
    expect((await since(cellId, { cursor })).readings).toEqual([]);
  });

  it("goes on in parts, and from the cursor of an event", async () => {
    const cellId = await newCell(api);
    const begin = await since(cellId);
    const events = await listen(
      `/api/live?cells=${cellId}`,
      (all) => temperaturesOf(all).length === 5,
      {
        meanwhile: () => store(api, cellId, [1, 2, 3, 4, 5]),
      },
    );
    const values: number[] = [];
    let { cursor } = begin;
    for (let more = true; more;) {
      const part = await since(cellId, { cursor, limit: "2" });
      values.push(...part.readings.map(({ value }) => value));
      ({ cursor, more } = part);
    }
    expect(values).toEqual([1, 2, 3, 4, 5]);
    const rest = await since(cellId, { cursor: events[3]!.id! });
    expect(rest.readings.map(({ value }) => value)).toEqual([4, 5]);
  });
});

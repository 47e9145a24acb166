import { request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { powerStreams } from "@ents-backend/schemas/measurement";
import { parse } from "csv-parse/sync";
import { sql } from "kysely";
import { beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../src/db/connect.ts";
import { updateCell } from "../../src/store/cells.ts";
import { foldRollups } from "../../src/timeseries/rollup-deltas.ts";
import { defaultLimits } from "../../src/resources/limits.ts";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { silentLog } from "../support/log.ts";
import { ramp, store } from "../support/series.ts";
import { newUser } from "../support/users.ts";

/** The connections for reading are as few as two downloads need. */
const api = useApi({ ...defaultLimits, readerPatience_ms: 3000 }, () => ({
  reads: connect(api.databaseUrl, silentLog, { connections: 4, statementTimeout_ms: 60_000 }),
}));
const patiently = { timeout: 20_000 };
const start = 1_704_067_200;
const count = 90_000;

let cell = 0;
let port = 0;
beforeAll(async () => {
  cell = await newCell(api);
  await store(api, cell, powerStreams.v, [
    [start, 400],
    [start + 1, null],
    [start + 3600, -1.5],
  ]);
  await api.app.listen({ port: 0, host: "127.0.0.1" });
  port = (api.app.server.address() as AddressInfo).port;
});

async function get(query: Record<string, string>, headers: Record<string, string> = {}) {
  return await api.inject({
    url: `/api/export.csv?${new URLSearchParams(query).toString()}`,
    headers,
  });
}

async function open(path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, headers, agent: false }, resolve)
      .on("error", reject)
      .end();
  });
}

/** Transactions of downloads that are under way. */
async function transactions(): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int from pg_stat_activity
    where xact_start is not null and query like '%array_send%' and pid <> pg_backend_pid()`.execute(
    api.db,
  );
  return rows[0]!.count;
}

const connections = async (): Promise<number> =>
  await promisify(api.app.server.getConnections.bind(api.app.server))();

describe("GET /api/export.csv", () => {
  it("downloads all readings of a cell", async () => {
    const answer = await get({ cells: String(cell) });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": `attachment; filename="cell-${cell}-readings.csv"`,
      "cache-control": "private, no-cache",
    });
    expect(answer.body.split("\n").slice(1)).toEqual([
      "2024-01-01T00:00:00.000Z,400",
      "2024-01-01T00:00:01.000Z,",
      "2024-01-01T01:00:00.000Z,-1.5",
      "",
    ]);
  });

  it("says what a download would be, to who asks for its head alone", async () => {
    const answer = await api.inject({ method: "HEAD", url: `/api/export.csv?cells=${cell}` });
    expect([answer.statusCode, answer.body]).toEqual([200, ""]);
    expect(answer.headers["content-type"]).toBe("text/csv; charset=utf-8");
  });

  it("downloads what /readings answers", async () => {
    const asked = {
      cells: String(cell),
      sensors: "power.v",
      resample: "hour",
      end: String(start + 7200),
    };
    const rows = parse((await get({ ...asked, layout: "tidy" })).body, { columns: true }) as {
      timestamp: string;
      value: string;
    }[];
    const query = new URLSearchParams({ ...asked, start: "0", timestamps: "iso" }).toString();
    const { series } = (await api.get(`/api/readings?${query}`)).json<{
      series: [{ timestamp: string[]; value: number[] }];
    }>();
    expect(rows.map(({ timestamp }) => timestamp)).toEqual(series[0].timestamp);
    expect(rows.map(({ value }) => Number(value))).toEqual(series[0].value);
  });

  it("is compressed for who asks for it", async () => {
    const plain = await get({ cells: String(cell) });
    const answer = await get({ cells: String(cell) }, { "accept-encoding": "gzip" });
    expect(answer.headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(answer.rawPayload).toString()).toBe(plain.body);
  });

  it("answers 404 for a cell that there isn't, and for a private one, whatever else is asked for", async () => {
    const hidden = await newCell(api);
    await updateCell(api.db, hidden, { visibility: "private" });
    for (const cells of [`${cell},${hidden}`, "99999999", "99999999999"]) {
      const answer = await get({ cells });
      expect([answer.statusCode, answer.json().code]).toEqual([404, "cell_not_found"]);
    }
  });

  it.each<[string, Record<string, string>, string]>([
    ["no cells", {}, "cells is missing"],
    ["a cell that is no number", { cells: "x" }, "cells must be numbers"],
    ["a sensor that is none", { cells: "1", sensors: "VOLTAGE" }, '"VOLTAGE" can\'t be'],
    ["a time that is none", { cells: "1", start: "soon" }, "start is not a time"],
    ["a zone that is none", { cells: "1", tz: "Atlantis" }, "tz must be"],
    ["a layout that is none", { cells: "1", layout: "long" }, "layout must be"],
    ["auto", { cells: "1", resample: "auto" }, "resample must be"],
  ])("answers 400 for %s", async (_, asked, message) => {
    const answer = await get(asked);
    expect([answer.statusCode, answer.json().message]).toEqual([
      400,
      expect.stringContaining(message),
    ]);
  });

  it("answers 413 for what is too much, with the way out, and the means of it", async () => {
    const large = await newCell(api);
    await store(api, large, powerStreams.v, [[start, 1]]);
    await foldRollups(api.db);
    await sql`update rollup_day set readings = 2000001
      where sensor_id in (select id from sensor where cell_id = ${large})`.execute(api.db);
    const answer = await get({ cells: String(large) });
    expect([answer.statusCode, answer.json().code]).toEqual([413, "export_too_large"]);
    expect(answer.json().message).toMatch(/2000001 values.*2000000 at most.*POST \/api\/tasks/);
    expect((await get({ cells: String(large), resample: "hour" })).statusCode).toBe(200);
  });
});

describe("a long download", () => {
  let path = "";
  beforeAll(async () => {
    const long = await newCell(api);
    // More than sockets hold on its way.
    await updateCell(api.db, long, { name: `${long} `.padEnd(100, "x") });
    const readings = ramp(start, 1, count);
    for (let at = 0; at < count; at += 10_000)
      await store(api, long, powerStreams.v, readings.slice(at, at + 10_000));
    path = `/api/export.csv?cells=${long}&layout=tidy`;
  });

  it("comes as it is read, and is whole", async () => {
    const answer = await open(path);
    expect(answer.headers["transfer-encoding"]).toBe("chunked");
    expect((await text(answer)).split("\n")).toHaveLength(count + 2);
  });

  it("makes others wait, and lets go of the database when its reader leaves", async () => {
    await expect.poll(transactions, patiently).toBe(0);
    const ada = await newUser(api);
    const idle = [await open(path), await open(path, ada.headers)];
    await expect.poll(transactions, patiently).toBe(2);
    const third = open(`/api/export.csv?cells=${cell}`);
    const readings = `/api/power/${cell}?startTime=0`;
    expect((await api.get(readings)).statusCode).toBe(200);
    for (const answer of idle) answer.destroy();
    expect((await text(await third)).split("\n")).toHaveLength(5);
    await expect.poll(transactions, patiently).toBe(0);
  });

  it("leaves room for others, however often one asks", async () => {
    const greedy = await newUser(api);
    const asked = Array.from({ length: 7 }, async () => await open(path, greedy.headers));
    await Promise.any(asked.map(async (answer) => expect((await answer).statusCode).toBe(429)));
    expect((await get({ cells: String(cell) })).statusCode).toBe(200);
    await Promise.all(asked.map(async (answer) => (await answer).destroy()));
  });

  it("is given up, and the database let go of, where its reader takes nothing of it", async () => {
    await expect.poll(connections, patiently).toBe(0);
    const idle = await open(path);
    await expect.poll(connections, patiently).toBe(0);
    await expect.poll(transactions, patiently).toBe(0);
    await expect(text(idle)).rejects.toMatchObject({ code: "ECONNRESET" });
  });
});

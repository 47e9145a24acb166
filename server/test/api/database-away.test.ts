import { cp } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { filesIn, useDirectories } from "../support/journal.ts";
import { undecodable, upload, useJournalServers } from "../support/journal-servers.ts";
import { decodeVerdicts } from "../support/messages.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";
import { formats } from "../support/uploads.ts";

const newDirectory = useDirectories();
const api = useApi();
const { away, start, restart, readingsOf } = useJournalServers(api);
const ts = 1_705_316_400;
/** Bytes that a node has room for. */
const room = 222;

type Format = keyof typeof formats;

describe("an upload while the database is away", () => {
  it.each(Object.keys(formats) as Format[])(
    "is answered as if it were there, and stored when it is: %s",
    async (format) => {
      const cellId = await newCell(api);
      const path = newDirectory();
      const server = await start(away, path);
      const message = formats[format]({ cellId, loggerId: 5, ts });
      const began_ms = performance.now();
      const answer = await upload(server, message);
      expect(performance.now() - began_ms).toBeLessThan(1000);
      expect(answer.statusCode).toBe(200);
      expect(answer.rawPayload.length).toBeLessThanOrEqual(room);
      expect(answer.headers["content-length"]).toBe(String(answer.rawPayload.length));
      if (format === "version 2") expect(decodeVerdicts(answer.rawPayload)).toEqual([[3, 0]]);
      else expect(answer.rawPayload.toString("hex")).toBe("");
      expect(server.journal.depth().records).toBe(1);
      await server.stop();
      expect(await filesIn(path)).toHaveLength(1);

      const receivedAt = api.now;
      api.now += 7200;
      const added = await rowsAdded(api.db, async () => await restart(path));
      expect(added).toEqual({ sensor: 1, reading: 1, logger_sighting: 1 });
      expect(await readingsOf(cellId)).toEqual([
        { ts, value: 1, received_at: receivedAt, logger_id: 5 },
      ]);
    },
  );

  it("is answered that it can't be decoded, and is in quarantine when the database is there", async () => {
    const path = newDirectory();
    const server = await start(away, path);
    const answer = await upload(server, undecodable);
    expect([answer.statusCode, answer.rawPayload.toString("hex")]).toEqual([400, "0801"]);
    expect(answer.headers["content-length"]).toBe("2");
    expect(server.journal.depth().records).toBe(1);
    await server.stop();
    let added = {};
    const kept = await quarantinedBy(api.db, async () => {
      added = await rowsAdded(api.db, async () => await restart(path));
    });
    expect(added).toEqual({ quarantine: 1 });
    expect(kept).toMatchObject([
      { path: "/api/sensor/", code: "undecodable", body: undecodable.payload },
    ]);
  });

  it("is in quarantine once if it has no place, and stored once if it has, however often it is applied", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    const server = await start(away, path);
    const unknown = formats["version 1"]({ cellId: 4_000_000_000, ts });
    for (const message of [unknown, formats["version 1"]({ cellId, ts })])
      expect((await upload(server, message)).statusCode).toBe(200);
    await server.stop();
    const copy = newDirectory();
    await cp(path, copy, { recursive: true });

    const receivedAt = api.now;
    api.now += 3600;
    let added = {};
    const kept = await quarantinedBy(api.db, async () => {
      added = await rowsAdded(api.db, async () => {
        await restart(path);
        await restart(copy);
      });
    });
    expect(added).toEqual({ sensor: 1, reading: 1, logger_sighting: 1, quarantine: 1 });
    expect(kept).toMatchObject([{ code: "unknown_cell", body: unknown.payload }]);
    const { received_at } = await api.db
      .selectFrom("quarantine")
      .select("received_at")
      .orderBy("id", "desc")
      .executeTakeFirstOrThrow();
    expect(received_at.getTime() / 1000).toBe(receivedAt);
  });

  it("keeps its order: of two values for one instant the first stays", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    const server = await start(away, path);
    const json = (flow: number) => ({
      headers: {},
      payload: { type: "yfs210c", cellId, loggerId: 1, ts, data: { flow } },
    });
    for (const value of [3, 4]) expect((await upload(server, json(value))).statusCode).toBe(200);
    await server.stop();
    const added = await rowsAdded(api.db, async () => await restart(path));
    expect(added).toMatchObject({ reading: 1, reading_conflict: 1 });
    expect(await readingsOf(cellId)).toMatchObject([{ value: 3 }]);
  });

  it("comes with a thousand others, and none is lost", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    const server = await start(away, path);
    const answers = await Promise.all(
      Array.from({ length: 1000 }, async (_, at) => {
        const message = formats["version 1"]({ cellId, ts: ts + at });
        return (await upload(server, message)).statusCode;
      }),
    );
    expect(new Set(answers)).toEqual(new Set([200]));
    expect(server.journal.depth().records).toBe(1000);
    await server.stop();
    const added = await rowsAdded(api.db, async () => await restart(path));
    expect(added).toEqual({ sensor: 1, reading: 1000, logger_sighting: 1 });
  });
});

import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { connect, type Db } from "../../src/db/connect.ts";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { filesIn, useDirectories } from "../support/journal.ts";
import { undecodable, upload, useJournalServers } from "../support/journal-servers.ts";
import { silentLog } from "../support/log.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";
import { formats } from "../support/uploads.ts";

const newDirectory = useDirectories();
const api = useApi();
const { away, start, applied, restart, readingsOf } = useJournalServers(api);
const ts = 1_705_316_400;

/** The same database by a role that PostgreSQL lets in, or not, when the test says so; both go with its end. */
async function openRevocable() {
  const name = `gone_${randomUUID().replaceAll("-", "")}`;
  const url = new URL(api.databaseUrl);
  const role = sql.id(name);
  await sql`create role ${role} login superuser password 'x'`.execute(api.db);
  url.username = name;
  url.password = "x";
  const db = connect(url.href, silentLog);
  return {
    db,
    revoke: async () => {
      await sql`alter role ${role} connection limit 0`.execute(api.db);
      await sql`alter role ${role} nosuperuser`.execute(api.db);
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${name}`.execute(
        api.db,
      );
    },
    admit: async () => {
      await sql`alter role ${role} superuser connection limit -1`.execute(api.db);
    },
    async [Symbol.asyncDispose]() {
      await db.destroy();
      await sql`drop role ${role}`.execute(api.db);
    },
  };
}

describe("a database that comes back", () => {
  it("gets uploads itself again once it has what was kept meanwhile", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    await using revocable = await openRevocable();
    const server = await start(revocable.db, path);
    const send = async (at: number) =>
      (await upload(server, formats["version 1"]({ cellId, ts: ts + at }))).statusCode;
    const added = await rowsAdded(api.db, async () => {
      expect(await send(0)).toBe(200);
      await revocable.revoke();
      const statuses = await Promise.all([1, 2, 3].map(send));
      expect(statuses).toEqual([200, 200, 200]);
      expect(server.journal.depth().records).toBe(3);
      await revocable.admit();
      await applied(server, path);
      expect(await send(4)).toBe(200);
      expect(server.journal.depth().records).toBe(0);
    });
    expect(added).toEqual({ sensor: 1, reading: 5, logger_sighting: 1 });
    await server.stop();
  });

  it("gets uploads itself again also where the journal has become unusable, and `/readyz` and `/metrics` say that it is", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    await using revocable = await openRevocable();
    const server = await start(revocable.db, path);
    const send = async (at: number) =>
      (await upload(server, formats["version 1"]({ cellId, ts: ts + at }))).statusCode;
    const readiness = async (): Promise<object> => (await server.app.inject("/readyz")).json();
    const isWritable = async () =>
      /^ents_journal_writable (\d)$/m.exec((await server.app.inject("/metrics")).body)?.[1];
    const added = await rowsAdded(api.db, async () => {
      expect(await send(0)).toBe(200);
      await revocable.revoke();
      await rm(path, { recursive: true });
      await writeFile(path, "in the way");
      expect(await send(1)).toBe(503);
      expect(await readiness()).toMatchObject({ journal: { uploads: 0, unwritable: true } });
      await revocable.admit();
      await expect.poll(async () => await send(1), { timeout: 15_000 }).toBe(200);
      expect(await readiness()).toMatchObject({ status: "ready", journal: { unwritable: true } });
      expect(await isWritable()).toBe("0");
      await rm(path);
      await server.journal.look();
      expect(await readiness()).toMatchObject({ journal: { uploads: 0, bytes: 0 } });
      expect(await readiness()).not.toMatchObject({ journal: { unwritable: true } });
      expect(await isWritable()).toBe("1");
    });
    expect(added).toEqual({ sensor: 1, reading: 2, logger_sighting: 1 });
    await server.stop();
  });
});

/** The same database, as a standby or a server whose disk is nearly full offers it. */
function readOnly(): Db {
  const url = new URL(api.databaseUrl);
  const options = `${url.searchParams.get("options")} -c default_transaction_read_only=on`;
  url.searchParams.set("options", options);
  return connect(url.href, silentLog);
}

describe("a database that takes nothing", () => {
  it("gets what came meanwhile when it does, be it good or not, and nothing is forgotten before", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    const db = readOnly();
    const server = await start(db, path);
    let added = await rowsAdded(api.db, async () => {
      const messages = [1, 2].map((at) => formats["version 1"]({ cellId, ts: ts + at }));
      for (const message of [...messages, formats["version 1"]({ cellId: 4_000_000_000 })])
        expect((await upload(server, message)).statusCode).toBe(200);
      expect((await upload(server, undecodable)).statusCode).toBe(400);
      // It is tried in vain at once, and when the server ends.
      await expect
        .poll(async () => (await filesIn(path)).join(), { timeout: 10_000 })
        .toContain("taken");
      await server.stop();
    });
    expect(added).toEqual({});
    await db.destroy();
    const kept = await quarantinedBy(api.db, async () => {
      added = await rowsAdded(api.db, async () => await restart(path));
    });
    expect(added).toEqual({ sensor: 1, reading: 2, logger_sighting: 1, quarantine: 2 });
    expect(kept.map(({ code }) => code)).toEqual(["unknown_cell", "undecodable"]);
  });
});

describe("an upload of the journal that PostgreSQL refuses", () => {
  it("is in quarantine, and keeps none of the others", async () => {
    const cellId = await newCell(api);
    const path = newDirectory();
    const server = await start(away, path);
    for (const at of [1, 2, 3, 4, 5]) {
      const message = formats["version 1"]({ cellId, ts: ts + at });
      expect((await upload(server, message)).statusCode).toBe(200);
    }
    await server.stop();
    await sql`
      create function refuse() returns trigger language plpgsql as $$
      begin
        raise exception 'no';
      end $$`.execute(api.db);
    await sql`
      create trigger refuse before insert on reading
      for each row when (new.ts = to_timestamp(${sql.lit(ts + 3)})) execute function refuse()`.execute(
      api.db,
    );
    const kept = await quarantinedBy(api.db, async () => await restart(path));
    await sql`drop trigger refuse on reading`.execute(api.db);
    expect(kept).toMatchObject([{ code: "internal_error" }]);
    expect((await readingsOf(cellId)).map((row) => row.ts - ts)).toEqual([1, 2, 4, 5]);
  });
});

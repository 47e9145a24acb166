import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { newUploadKey } from "../../src/auth/keys.ts";
import { createCell } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { createUploadKey } from "../../src/store/upload-keys.ts";
import { useApi } from "../support/api.ts";
import { filesIn, useDirectories } from "../support/journal.ts";
import { upload, useJournalServers, type Shown } from "../support/journal-servers.ts";
import { newKey } from "../support/keys.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";
import { formats } from "../support/uploads.ts";
import { newUser } from "../support/users.ts";

const newDirectory = useDirectories();
const api = useApi();
const { away, start, restart, readingsOf } = useJournalServers(api);
const ts = 1_705_316_400;

/** A cell that wants a key; who may upload to it, by whatever they may show. */
async function closedCell() {
  const owner = await newUser(api);
  const { id: cellId } = await createCell(api.db, {
    name: randomUUID(),
    uploadPolicy: "key",
    userId: owner.id,
  });
  const { headers } = await newKey(api, owner, ["upload"]);
  const { id: loggerId } = await createLogger(api.db, { name: randomUUID(), userId: owner.id });
  const uploadKey = newUploadKey();
  await api.db.transaction().execute(async (transaction) => {
    await createUploadKey(transaction, loggerId, uploadKey, api.now, 0);
  });
  const apiKey = headers["x-api-key"];
  const token = owner.headers.authorization.slice("Bearer ".length);
  return { cellId, owner, loggerId, apiKey, uploadKey, token };
}

type Closed = Awaited<ReturnType<typeof closedCell>>;

/** What may be shown, and how it ends. */
const credentials: [
  name: string,
  show: (closed: Closed) => Shown,
  revoke: (closed: Closed) => ReturnType<typeof sql>,
  code: string,
][] = [
  [
    "an API key",
    ({ apiKey }) => ({ headers: { "x-api-key": apiKey } }),
    ({ owner }) => sql`delete from api_key where account_id = ${owner.id}`,
    "upload_key_required",
  ],
  [
    "an upload key as a header",
    ({ uploadKey }) => ({ headers: { "x-api-key": uploadKey } }),
    ({ loggerId }) => sql`delete from upload_key where logger_id = ${loggerId}`,
    "upload_key_required",
  ],
  [
    "an upload URL",
    ({ uploadKey }) => ({ url: `/u/${uploadKey}` }),
    ({ loggerId }) => sql`delete from upload_key where logger_id = ${loggerId}`,
    "unknown_upload_key",
  ],
  [
    "a token",
    ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
    ({ owner }) => sql`delete from session where account_id = ${owner.id}`,
    "upload_key_required",
  ],
];

describe.each(credentials)(
  "an upload with %s while the database is away",
  (_, show, revoke, code) => {
    async function keepOne(closed: Closed, path: string): Promise<void> {
      const server = await start(away, path);
      const message = formats["version 1"]({ cellId: closed.cellId, ts });
      expect((await upload(server, message, show(closed))).statusCode).toBe(200);
      await server.stop();
    }

    it("is judged by it later, although it is nowhere on the disk", async () => {
      const closed = await closedCell();
      const path = newDirectory();
      await keepOne(closed, path);
      const files = await filesIn(path);
      expect(files).toHaveLength(1);
      const bytes = await readFile(join(path, files[0]!));
      const signature = closed.token.split(".")[2]!;
      for (const secret of [closed.apiKey, closed.uploadKey, closed.token, signature])
        for (const coded of [secret, Buffer.from(secret).toString("base64").replace(/=+$/, "")])
          expect(bytes.includes(coded)).toBe(false);
      // Longer ago than a token is good for.
      api.now += 7200;
      const added = await rowsAdded(api.db, async () => await restart(path));
      expect(added).toMatchObject({ reading: 1 });
      expect(Object.keys(added)).not.toContain("quarantine");
      expect(await readingsOf(closed.cellId)).toMatchObject([{ received_at: api.now - 7200 }]);
    });

    it("is in quarantine when it isn't good any more by then", async () => {
      const closed = await closedCell();
      const path = newDirectory();
      await keepOne(closed, path);
      await revoke(closed).execute(api.db);
      let added = {};
      const kept = await quarantinedBy(api.db, async () => {
        added = await rowsAdded(api.db, async () => await restart(path));
      });
      expect(added).toEqual({ quarantine: 1 });
      expect(kept).toMatchObject([{ code }]);
      const secrets = [closed.apiKey, closed.uploadKey, closed.token];
      for (const secret of secrets) expect(JSON.stringify(kept)).not.toContain(secret);
    });
  },
);

describe("an upload with a key that ends", () => {
  it("is judged by when it came, whatever comes out of the journal beside it", async () => {
    const closed = await closedCell();
    const path = newDirectory();
    const server = await start(away, path);
    const ends = api.now + 100;
    await sql`update upload_key set expires_at = to_timestamp(${ends}) where logger_id = ${closed.loggerId}`.execute(
      api.db,
    );
    for (const [at, later_s] of [0, 99, 101].entries()) {
      api.now = ends - 100 + later_s;
      const message = formats["version 1"]({ cellId: closed.cellId, ts: ts + at });
      const shown = { headers: { "x-api-key": closed.uploadKey } };
      expect((await upload(server, message, shown)).statusCode).toBe(200);
    }
    await server.stop();
    const kept = await quarantinedBy(api.db, async () => await restart(path));
    expect(kept).toMatchObject([{ code: "upload_key_required" }]);
    expect((await readingsOf(closed.cellId)).map((row) => row.ts)).toEqual([ts, ts + 1]);
  });
});

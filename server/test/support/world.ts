import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import type { ImportReport } from "@ents-backend/schemas/import";
import { sql } from "kysely";
import { newApiKey, newUploadKey, shownLength } from "../../src/auth/keys.ts";
import type { Scope } from "../../src/auth/caller.ts";
import type { Db } from "../../src/db/connect.ts";
import { createApiKey } from "../../src/store/api-keys.ts";
import { createCell, updateCell, type Visibility } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { setMember } from "../../src/store/members.ts";
import { writeFile } from "../../src/store/files.ts";
import { claimTask, finishTask } from "../../src/store/task-claims.ts";
import { createTask } from "../../src/store/tasks.ts";
import { createTag } from "../../src/store/tags.ts";
import { createUploadKey } from "../../src/store/upload-keys.ts";
import { writeReadings } from "./write-readings.ts";
import type { TestApi } from "./api.ts";
import { putInQuarantine, quarantined } from "./quarantine.ts";
import { formats } from "./uploads.ts";
import { newUser, type TestUser } from "./users.ts";

/** Who may call. All keys are the owner's, and the last one that of the owner's logger. */
export const callers = [
  "nobody",
  "stranger",
  "viewer",
  "editor",
  "owner",
  "admin",
  "read key",
  "upload key",
  "manage key",
  "logger's key",
] as const;
export type CallerName = (typeof callers)[number];

/** A cell with readings, a logger, a tag and a key, all of one owner; someone who calls; and a guest. */
export interface World {
  readonly db: Db;
  readonly now: number;
  readonly owner: TestUser;
  /** Has an account, and no role on the cell. */
  readonly guest: TestUser;
  /** Who calls, where that is a person: keys are their owner's. */
  readonly person: TestUser;
  readonly headers: Readonly<Record<string, string>>;
  /** What stands in the paths of routes. */
  readonly ids: Readonly<
    Record<
      "cell" | "logger" | "tag" | "user" | "key" | "upload" | "garbage" | "task" | "import",
      string | number
    >
  >;
  readonly cellName: string;
  readonly cellId: number;
  readonly tagId: number;
  readonly uploadKey: string;
}

/** The one instant, Unix seconds, and the one value of the cell's readings. */
export const mark = { ts: 1_000_000_000, value: 424_242.5 } as const;

/** Makes a world of its own for one request. */
export async function newWorld(
  api: Pick<TestApi, "db" | "now">,
  caller: CallerName,
  visibility: Visibility,
  passwordHash: string,
): Promise<World> {
  const { db, now } = api;
  const owner = await newUser(api, { passwordHash });
  const guest = await newUser(api);
  const cellName = `cell ${randomUUID()}`;
  const cellId = await makeCell(db, cellName, owner.id, visibility);
  const person = await makePerson(api, caller, cellId, owner, passwordHash);
  const logger = await createLogger(db, { name: randomUUID(), userId: owner.id });
  const tagId = await createTag(db, { name: randomUUID(), description: "", creatorId: owner.id });
  const uploadKey = newUploadKey();
  await db.transaction().execute(async (transaction) => {
    await createUploadKey(transaction, logger.id, uploadKey, now, 0);
  });
  const { id: key } = await makeKey(db, owner.id, ["read"], now);
  const uploads = await makeUploads(db, cellId, cellName);
  const task = await makeTask(db, owner.id, cellName);
  const preview = await makeImport(db, owner.id, { id: cellId, name: cellName });
  const ids = {
    cell: cellId,
    logger: logger.id,
    tag: tagId,
    user: guest.id,
    key,
    task,
    import: preview,
    ...uploads,
  };
  const headers = await headersOf(caller, { db, now, person, owner, uploadKey });
  return { db, now, owner, guest, person, headers, ids, cellName, cellId, tagId, uploadKey };
}

async function makeCell(
  db: Db,
  name: string,
  userId: string,
  visibility: Visibility,
): Promise<number> {
  const { id: cellId } = await createCell(db, { name, uploadPolicy: "key", userId });
  await updateCell(db, cellId, { visibility });
  const streams = ["POWER_VOLTAGE Voltage", "TEROS12_TEMP Temperature"].map((text) => {
    const [streamName = "", measurement = ""] = text.split(" ");
    return { name: streamName, measurement, unit: "" };
  });
  const reading = { cellId, dataType: "float", receivedAt: mark.ts, loggerId: null } as const;
  // The second one conflicts with the first.
  for (const value of [mark.value, mark.value + 1])
    await writeReadings(
      db,
      streams.map((stream) => ({ ...reading, ...mark, value, stream })),
    );
  return cellId;
}

async function makePerson(
  api: Pick<TestApi, "db" | "now">,
  caller: CallerName,
  cellId: number,
  owner: TestUser,
  passwordHash: string,
): Promise<TestUser> {
  if (!["stranger", "viewer", "editor", "admin"].includes(caller)) return owner;
  const person = await newUser(api, { admin: caller === "admin", passwordHash });
  if (caller === "viewer" || caller === "editor")
    await setMember(api.db, cellId, person.id, caller);
  return person;
}

/** Two uploads for the cell in quarantine: one that can be placed by now, and one that can't be read. */
async function makeUploads(db: Db, cellId: number, cellName: string) {
  const { payload } = formats["version 1"]({ cellId });
  const shown = { reason: `there was no cell ${cellName}`, headers: { about: cellName } };
  const about = { decodes: true, cellIds: [cellId] };
  const upload = quarantined({ format: "measurement/v1", body: payload, ...shown }, about);
  const garbage = quarantined(
    { format: `none of ${cellName}`, headers: { "content-type": cellName } },
    about,
  );
  return {
    upload: await putInQuarantine(db, upload),
    garbage: await putInQuarantine(db, garbage),
  };
}

/** A task that is done, and whose file says what the cell is called; answers its id. */
async function makeTask(db: Db, accountId: string, cellName: string): Promise<string> {
  const owner = { accountId, origin: null };
  const order = { ...owner, kind: "export", params: { cellName }, asAdmin: false, keep_s: 60 };
  const quota = { of: owner, tasks: 1, results_bytes: 1e6 };
  const { id } = await createTask(db, order, [quota]);
  const task = await claimTask(db, id, "a test");
  const file = {
    name: "result.csv",
    mediaType: "text/csv",
    taskId: id,
    keep_s: 60,
    max_bytes: 1e6,
  };
  const { id: fileId } = await writeFile(
    db,
    { ...owner, ...file },
    Readable.from([Buffer.from(cellName)]),
  );
  await finishTask(db, task!, { result: undefined, fileId });
  return id;
}

/** An import that has been looked at, of readings of the cell; answers its id. */
async function makeImport(
  db: Db,
  accountId: string,
  cell: { readonly id: number; readonly name: string },
): Promise<string> {
  const owner = { accountId, origin: null };
  const params = { files: [randomUUID()] };
  const order = { ...owner, kind: "import-preview", params, asAdmin: false, keep_s: 60 };
  const { id } = await createTask(db, order, [{ of: owner, tasks: 1, results_bytes: 1e9 }]);
  const task = await claimTask(db, id, "a test");
  const result: ImportReport = {
    finished: true,
    files: [],
    skipped: [],
    rows: 0,
    bad_rows: 0,
    wrong: [],
    readings: { new: 0, repeated: 0, conflicting: 0 },
    cells: [{ ...cell, readings: 0, problem: null }],
    loggers: [],
    sensors: [],
    earliest: null,
    latest: null,
    warnings: [],
    gaps: { filled: 0, longest: [] },
  };
  await finishTask(db, task!, { result, fileId: undefined });
  return id;
}

/** Makes an API key; answers it and its number. */
async function makeKey(db: Db, userId: string, scopes: Scope[], now: number) {
  const key = newApiKey();
  const { id } = await createApiKey(db, { userId, name: key, key, shownLength, scopes, now });
  return { id, key };
}

async function headersOf(
  caller: CallerName,
  {
    db,
    now,
    person,
    owner,
    uploadKey,
  }: Pick<World, "db" | "now" | "person" | "owner" | "uploadKey">,
): Promise<Record<string, string>> {
  if (caller === "nobody") return {};
  if (caller === "logger's key") return { "x-api-key": uploadKey };
  const scope = /^(read|upload|manage) key$/.exec(caller)?.[1] as Scope | undefined;
  if (scope) return { "x-api-key": (await makeKey(db, owner.id, [scope], now)).key };
  return person.headers;
}

/** Everything that belongs to a world, as text: what a request that is refused must leave as it is. */
export async function worldState({ db, cellId, ids, owner, person }: World): Promise<string> {
  const { rows } = await sql<object>`
    select
      (select to_jsonb(cell) from cell where id = ${cellId}) as cell,
      (select jsonb_agg(m order by account_id) from cell_member m where cell_id = ${cellId}) as members,
      (select jsonb_agg(t order by tag_id) from cell_tag t where cell_id = ${cellId}) as tags,
      (select count(*) from sensor join reading on sensor_id = sensor.id where cell_id = ${cellId}) as readings,
      (select to_jsonb(tag) from tag where id = ${ids.tag}) as tag,
      (select to_jsonb(logger) from logger where id = ${ids.logger}) as logger,
      (select jsonb_agg(u order by id) from quarantine u where id in (${ids.upload}, ${ids.garbage})) as uploads,
      (select jsonb_agg(t order by number) from task t where account_id in (${owner.id}, ${person.id})) as tasks,
      (select jsonb_agg(hash order by id) from upload_key where logger_id = ${ids.logger}) as upload_keys,
      (select jsonb_agg(hash order by id) from api_key where account_id in (${owner.id}, ${person.id})) as keys,
      (select jsonb_agg(a order by id) from account a where id in (${owner.id}, ${person.id})) as accounts,
      (select jsonb_agg(a order by id) from audit a where account_id in (${owner.id}, ${person.id})) as deeds
  `.execute(db);
  return JSON.stringify(rows);
}

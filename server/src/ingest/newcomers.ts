import type { Db } from "../db/connect.ts";
import { KnownError } from "../lib/errors.ts";
import { recordDeed } from "../store/audit.ts";
import { cellNameTaken, createCell, type Cell, type UploadPolicy } from "../store/cells.ts";
import { createLogger, loggerNameTaken, type KnownLogger } from "../store/loggers.ts";
import { tooMany } from "../store/quota.ts";
import { Directory, numbersAndNames } from "./directory.ts";
import type { Lookup } from "./lookup.ts";
import type { Reference, Sender } from "./uplink.ts";

export interface CreatorDeps {
  readonly db: Db;
  readonly lookup: Lookup;
  readonly settings: { readonly defaultUploadPolicy: UploadPolicy };
}

/** Who an upload is from, and when it came, in Unix seconds. */
export interface Arrival {
  readonly sender: Sender;
  readonly receivedAt: number;
}

/** What an upload refers to. */
type ReferencesOf<Upload> = (upload: Upload) => readonly (Reference | undefined)[];

/** The cells that uploads refer to. What one names and isn't there is made, where its sender may make cells. */
export async function findOrCreateCells<Upload extends Arrival>(
  { db, lookup, settings }: CreatorDeps,
  uploads: readonly Upload[],
  referencesOf: ReferencesOf<Upload>,
): Promise<Directory<Cell>> {
  return await findOrCreate(db, uploads, referencesOf, {
    objectType: "cell",
    find: async (ids, names) => await lookup.cells(ids, names),
    create: async (transaction, name, userId) =>
      await createCell(transaction, { name, userId, uploadPolicy: settings.defaultUploadPolicy }),
  });
}

/** The loggers that uploads refer to. What one names and isn't there is made, where its sender may make loggers. */
export async function findOrCreateLoggers<Upload extends Arrival>(
  { db, lookup }: CreatorDeps,
  uploads: readonly Upload[],
  referencesOf: ReferencesOf<Upload>,
): Promise<Directory<KnownLogger>> {
  return await findOrCreate(db, uploads, referencesOf, {
    objectType: "logger",
    find: async (ids, names) => await lookup.loggers(ids, names),
    create: async (transaction, name, userId) => await createLogger(transaction, { name, userId }),
  });
}

interface Table<Row> {
  readonly objectType: "cell" | "logger";
  readonly find: (ids: readonly number[], names: readonly string[]) => Promise<readonly Row[]>;
  readonly create: (
    db: Db,
    name: string,
    userId: string | null,
  ) => Promise<{ readonly id: number }>;
}

async function findOrCreate<
  Upload extends Arrival,
  Row extends { readonly id: number; readonly name: string },
>(
  db: Db,
  uploads: readonly Upload[],
  referencesOf: ReferencesOf<Upload>,
  table: Table<Row>,
): Promise<Directory<Row>> {
  const [ids, names] = numbersAndNames(uploads.flatMap(referencesOf));
  const find = async () =>
    new Directory(ids.length + names.length === 0 ? [] : await table.find(ids, names));
  const known = await find();
  let created = false;
  for (const upload of uploads) {
    const { sender, receivedAt } = upload;
    if (sender.kind !== "user" || !sender.mayCreate) continue;
    for (const name of numbersAndNames(referencesOf(upload))[1]) {
      if (name === "" || known.find({ name })) continue;
      await create(db, name, sender, receivedAt, table).catch(unlessRefused);
      created = true;
    }
  }
  return created ? await find() : known;
}

async function create<Row extends { readonly id: number }>(
  db: Db,
  name: string,
  { userId, actor }: Extract<Sender, { readonly kind: "user" }>,
  at: number,
  table: Table<Row>,
): Promise<void> {
  const { objectType } = table;
  await db.transaction().execute(async (transaction) => {
    const { id } = await table.create(transaction, name, userId);
    const cell = objectType === "cell" ? { cellId: id } : {};
    const object = { objectType, objectId: String(id), details: { name }, ...cell };
    await recordDeed(transaction, { at, actor, action: "create", ...object });
  });
}

/** Another upload may have made the same one at the same moment; or its sender has as many as they may. */
const refusals = [cellNameTaken, loggerNameTaken, tooMany.cell, tooMany.logger];

function unlessRefused(error: unknown): void {
  if (!(error instanceof KnownError && refusals.some(({ code }) => code === error.code)))
    throw error;
}

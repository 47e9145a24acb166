import type { Db } from "../db/connect.ts";
import { KnownError } from "../lib/errors.ts";
import { recordDeed } from "../store/audit.ts";
import { createCell, findCells, type Cell, type UploadPolicy } from "../store/cells.ts";
import { createLogger, findLoggers, type Logger } from "../store/loggers.ts";
import { Directory, numbersAndNames } from "./directory.ts";
import type { Reference, Sender } from "./uplink.ts";

export interface CreatorDeps {
  readonly db: Db;
  readonly settings: { readonly defaultUploadPolicy: UploadPolicy };
}

/** Who an upload is from, and when it came, in Unix seconds. */
export interface Arrival {
  readonly sender: Sender;
  readonly receivedAt: number;
}

type References = readonly (Reference | undefined)[];

/** The cells that an upload refers to. What it names and isn't there is made, where its sender may make cells. */
export async function findOrCreateCells(
  { db, settings }: CreatorDeps,
  references: References,
  arrival: Arrival,
): Promise<Directory<Cell>> {
  return await findOrCreate(db, references, arrival, {
    objectType: "cell",
    find: findCells,
    create: async (transaction, name, userId) =>
      await createCell(transaction, { name, userId, uploadPolicy: settings.defaultUploadPolicy }),
  });
}

/** The loggers that an upload refers to. What it names and isn't there is made, where its sender may make loggers. */
export async function findOrCreateLoggers(
  { db }: CreatorDeps,
  references: References,
  arrival: Arrival,
): Promise<Directory<Logger>> {
  return await findOrCreate(db, references, arrival, {
    objectType: "logger",
    find: findLoggers,
    create: async (transaction, name, userId) => await createLogger(transaction, { name, userId }),
  });
}

interface Table<Row> {
  readonly objectType: "cell" | "logger";
  readonly find: (db: Db, ids: readonly number[], names: readonly string[]) => Promise<Row[]>;
  readonly create: (db: Db, name: string, userId: string) => Promise<Row>;
}

async function findOrCreate<Row extends { readonly id: number; readonly name: string }>(
  db: Db,
  references: References,
  { sender, receivedAt }: Arrival,
  table: Table<Row>,
): Promise<Directory<Row>> {
  const [ids, names] = numbersAndNames(references);
  const known = new Directory(await table.find(db, ids, names));
  if (sender.kind !== "user" || !sender.mayCreate) return known;
  const missing = names.filter((name) => name !== "" && !known.find({ name }));
  if (missing.length === 0) return known;
  for (const name of missing) await create(db, name, sender, receivedAt, table).catch(unlessTaken);
  return new Directory(await table.find(db, ids, names));
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

/** Another upload may have made the same one at the same moment. */
function unlessTaken(error: unknown): void {
  if (!(error instanceof KnownError) || !error.code.endsWith("_name_taken")) throw error;
}

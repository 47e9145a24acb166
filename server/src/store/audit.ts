import type { Db } from "../db/connect.ts";

/** What someone did to something. */
export interface Deed {
  /** Unix seconds. */
  readonly at: number;
  readonly actor: Actor;
  /** A verb: create, update, delete, share, log_in … */
  readonly action: string;
  readonly objectType:
    | "cell"
    | "logger"
    | "tag"
    | "user"
    | "key"
    | "upload_key"
    | "session"
    | "upload";
  readonly objectId: string;
  readonly cellId?: number;
  /** What changed; never a secret. */
  readonly details?: object;
}

/** Who did it and from where. */
export interface Actor {
  /** `user {id}`, `key {id}`, `command line`, `nobody`. */
  readonly name: string;
  readonly userId: string | undefined;
  readonly address: string | undefined;
}

/** A deed as the log shows it. */
export interface AuditEntry {
  readonly id: number;
  readonly at: Date;
  readonly actor: string;
  readonly account_id: string | null;
  readonly address: string | null;
  readonly action: string;
  readonly object_type: string;
  readonly object_id: string;
  readonly cell_id: number | null;
  readonly details: object;
}

/** How much of one text, and of one list, the log keeps: nothing is ever taken out of it. */
const most = { characters: 200, items: 100 } as const;

/** Writes a deed into the log, long texts and lists cut, in the transaction that does it where there is one. */
export async function recordDeed(
  db: Db,
  { at, actor, action, objectType, objectId, cellId, details }: Deed,
): Promise<void> {
  await db
    .insertInto("audit")
    .values({
      at: new Date(at * 1000),
      actor: actor.name,
      account_id: actor.userId ?? null,
      address: actor.address ?? null,
      action,
      object_type: objectType,
      object_id: objectId,
      cell_id: cellId ?? null,
      details: JSON.stringify(details ?? {}, (_, value: unknown) => shorten(value)),
    })
    .execute();
}

function shorten(value: unknown): unknown {
  if (typeof value === "string" && value.length > most.characters)
    return `${value.slice(0, most.characters).toWellFormed()}…`;
  if (Array.isArray(value) && value.length > most.items)
    return [...value.slice(0, most.items), `… ${value.length - most.items} more`];
  return value;
}

/** The newest deeds first, older than `before` where it is given; of all, or of one cell. */
export async function listDeeds(
  db: Db,
  {
    cellId,
    before,
    limit,
  }: { readonly cellId?: number; readonly before?: number | undefined; readonly limit: number },
): Promise<AuditEntry[]> {
  let query = db.selectFrom("audit").selectAll().orderBy("id", "desc").limit(limit);
  if (cellId !== undefined) query = query.where("cell_id", "=", cellId);
  if (before !== undefined) query = query.where("id", "<", before);
  return await query.execute();
}

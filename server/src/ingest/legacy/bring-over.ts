import { transact } from "../../db/transact.ts";
import type { Db } from "../../db/connect.ts";
import type { Clock } from "../../lib/clock.ts";
import { recordDeed, type Actor, type Deed } from "../../store/audit.ts";
import { setCellTags } from "../../store/cell-tags.ts";
import { createCell } from "../../store/cells.ts";
import {
  advanceNumbers,
  holdDirectory,
  keyOf,
  noteBrought,
  readHere,
  removeDemo,
  type Here,
  type Kind,
} from "../../store/legacy/here.ts";
import type {
  OldCell,
  OldDirectory,
  OldLogger,
  OldTag,
  OldUser,
} from "../../store/legacy/old-directory.ts";
import { createLogger } from "../../store/loggers.ts";
import { addMember, findRole } from "../../store/members.ts";
import { createTag } from "../../store/tags.ts";
import { createUser } from "../../store/users.ts";
import { normaliseEmail, normaliseName, requireRoom } from "./collisions.ts";

export interface BringDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly actor: Actor;
}

/** How many were made here, and how many were here. */
export interface Brought {
  readonly made: Readonly<Record<Kind, number>>;
  readonly known: Readonly<Record<Kind, number>>;
  /** Shares of cells that were made. */
  readonly shares: number;
  /** The numbers of the cells that readings are taken for. */
  readonly cellIds: readonly number[];
}

/**
 * Brings over users, cells, loggers, tags and with whom cells are shared, all or nothing. What came over before stays
 * as it is here, and what was deleted here since isn't made again.
 *
 * Accounts come without a password, and with an address that nobody has proved: their owners log in through an identity
 * provider, or with a password that the operator sets. Those with whom a cell was shared could do everything with it
 * there, but they didn't make it: they become editors.
 *
 * @throws KnownError that lists all that is in the way
 */
export async function bringOver(
  { db, clock, actor }: BringDeps,
  old: OldDirectory,
  trusted: boolean,
): Promise<Brought> {
  return await transact(db, async (transaction) => {
    await holdDirectory(transaction);
    const here = await readHere(transaction);
    requireRoom(old, here, trusted);
    for (const kind of ["cell", "logger", "tag"] as const)
      await advanceNumbers(
        transaction,
        kind,
        old[`${kind}s`].map(({ id }) => id),
      );
    const carrier = new Carrier(transaction, here, (deed) => ({ at: clock(), actor, ...deed }));
    await carrier.bring(old);
    return carrier.result();
  });
}

class Carrier {
  readonly #db: Db;
  readonly #here: Here;
  readonly #deed: (deed: Omit<Deed, "at" | "actor">) => Deed;
  readonly #ids = new Map<string, string>();
  readonly #accounts: Map<string, string>;
  readonly #made = { user: 0, cell: 0, logger: 0, tag: 0 };
  readonly #known = { user: 0, cell: 0, logger: 0, tag: 0 };
  readonly #newCells = new Set<number>();
  /** Name → id. */
  readonly #tags: Map<string, string>;
  #shares = 0;

  constructor(db: Db, here: Here, deed: (deed: Omit<Deed, "at" | "actor">) => Deed) {
    this.#db = db;
    this.#here = here;
    this.#deed = deed;
    this.#accounts = new Map(here.accounts.map(({ email, id }) => [email, id]));
    this.#tags = new Map(here.tags.map(({ name, id }) => [normaliseName(name), String(id)]));
  }

  async bring(old: OldDirectory): Promise<void> {
    for (const user of old.users) await this.#carry("user", user, () => this.#bringUser(user));
    for (const cell of old.cells) await this.#carry("cell", cell, () => this.#bringCell(cell));
    for (const logger of old.loggers)
      await this.#carry("logger", logger, () => this.#bringLogger(logger));
    for (const tag of old.tags) await this.#carry("tag", tag, () => this.#bringTag(tag));
    for (const { cell_id, user_id } of old.shares) await this.#share(cell_id, user_id);
    for (const [cellId, taggings] of Map.groupBy(old.taggings, ({ cell_id }) => cell_id))
      await this.#tag(
        cellId,
        taggings.map(({ tag_id }) => tag_id),
      );
  }

  result(): Brought {
    const cellIds = this.#here.cells.map(({ id }) => id);
    const present = new Set([...cellIds, ...this.#newCells]);
    return {
      made: this.#made,
      known: this.#known,
      shares: this.#shares,
      cellIds: [...this.#ids]
        .filter(([key]) => key.startsWith("cell "))
        .map(([, id]) => Number(id))
        .filter((id) => present.has(id)),
    };
  }

  /** @param make answers its id here, or nothing where it can't come over */
  async #carry(
    kind: Kind,
    { id: oldId }: { readonly id: string | number },
    make: () => Promise<string | undefined>,
  ): Promise<void> {
    const key = keyOf(kind, oldId);
    const before = this.#here.brought.get(key);
    if (before !== undefined) this.#known[kind] += 1;
    const id = before ?? (await make());
    if (id === undefined) return;
    this.#ids.set(key, id);
    if (before === undefined) await noteBrought(this.#db, kind, oldId, id);
  }

  async #bringUser({ email, first_name, last_name }: OldUser): Promise<string | undefined> {
    const address = normaliseEmail(email);
    if (address === undefined) return undefined;
    const known = this.#accounts.get(address);
    if (known !== undefined) return this.#find("user", known);
    const person = { email: address, firstName: first_name ?? "", lastName: last_name ?? "" };
    const { id } = await createUser(this.#db, person);
    this.#accounts.set(address, id);
    return await this.#note("user", { objectType: "user", objectId: id });
  }

  async #bringCell(cell: OldCell): Promise<string> {
    const known = this.#here.cells.find(({ id }) => id === cell.id);
    if (known && !known.isUnusedDemo) return this.#find("cell", String(known.id));
    if (known) await removeDemo(this.#db, "cell");
    const userId = this.#account(cell.user_id);
    const { id, name } = await createCell(this.#db, {
      id: cell.id,
      name: cell.name ?? "",
      location: cell.location,
      latitude: within(90, cell.latitude),
      longitude: within(180, cell.longitude),
      archive: cell.archive,
      userId,
      visibility: cell.is_public ? "public" : "private",
      // Its nodes are in the field, and have no key.
      uploadPolicy: "open",
    });
    this.#newCells.add(id);
    const details = { name, user_id: userId };
    const made = { objectType: "cell", objectId: String(id), cellId: id } as const;
    return await this.#note("cell", { ...made, details });
  }

  async #bringLogger(logger: OldLogger): Promise<string> {
    const known = this.#here.loggers.find(({ id }) => id === logger.id);
    if (known && !known.isUnusedDemo) return this.#find("logger", String(known.id));
    if (known) await removeDemo(this.#db, "logger");
    const userId = this.#account(logger.user_id);
    const { id, name } = await createLogger(this.#db, {
      id: logger.id,
      name: logger.name ?? "",
      type: logger.type,
      deviceEui: logger.device_eui,
      description: logger.description,
      userId,
      ttnDeviceId: logger.type?.toLowerCase() === "ents" ? oldDeviceId(logger) : null,
      dateCreated: logger.date_created ?? undefined,
    });
    const details = { name, user_id: userId };
    return await this.#note("logger", { objectType: "logger", objectId: String(id), details });
  }

  /** Tags are words: one that is here is the same, whatever its number. */
  async #bringTag(tag: OldTag): Promise<string | undefined> {
    const name = normaliseName(tag.name);
    if (name === "") return undefined;
    const namesake = this.#tags.get(name);
    if (namesake !== undefined) return this.#find("tag", namesake);
    const isFree = tag.id > 0 && !this.#here.tags.some(({ id }) => id === tag.id);
    const id = await createTag(this.#db, {
      ...(isFree ? { id: tag.id } : {}),
      name: tag.name!,
      description: tag.description,
      creatorId: this.#account(tag.created_by),
      createdAt: tag.created_at ?? undefined,
    });
    this.#tags.set(name, String(id));
    const details = { name: tag.name!.trim() };
    return await this.#note("tag", { objectType: "tag", objectId: String(id), details });
  }

  async #share(cellId: number, oldUserId: string): Promise<void> {
    const account = this.#account(oldUserId);
    if (account === null || !this.#newCells.has(cellId)) return;
    // The old backend counts a cell's owner among those it is shared with.
    if ((await findRole(this.#db, cellId, account)) !== undefined) return;
    await addMember(this.#db, cellId, account, "editor");
    this.#shares += 1;
    const details = { user_id: account, role: "editor" };
    const share = { action: "share", objectType: "cell", objectId: String(cellId) } as const;
    await recordDeed(this.#db, this.#deed({ ...share, cellId, details }));
  }

  /** Two old tags may be one here: they have the same name, but for letter case. */
  async #tag(cellId: number, oldTagIds: readonly number[]): Promise<void> {
    if (!this.#newCells.has(cellId)) return;
    const present = new Set(this.#tags.values());
    const ids = oldTagIds.map((id) => this.#ids.get(keyOf("tag", id)) ?? "");
    await setCellTags(this.#db, cellId, ids.filter((id) => present.has(id)).map(Number));
  }

  #account(oldUserId: string | null): string | null {
    const id = oldUserId === null ? undefined : this.#ids.get(keyOf("user", oldUserId));
    return id !== undefined && [...this.#accounts.values()].includes(id) ? id : null;
  }

  #find(kind: Kind, id: string): string {
    this.#known[kind] += 1;
    return id;
  }

  async #note(
    kind: Kind,
    made: Pick<Deed, "objectType" | "objectId" | "cellId" | "details">,
  ): Promise<string> {
    this.#made[kind] += 1;
    const details = { ...made.details, from: "the old backend" };
    await recordDeed(this.#db, this.#deed({ ...made, action: "create", details }));
    return made.objectId;
  }
}

function within(limit: number, degrees: number | null): number | null {
  return degrees !== null && Math.abs(degrees) <= limit ? degrees : null;
}

/** What the old backend calls the device of a logger of type "ents" on The Things Stack, where it is one. */
function oldDeviceId({ id }: OldLogger): string {
  return `dirtviz-${id}`;
}

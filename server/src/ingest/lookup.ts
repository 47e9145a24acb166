import type { Db } from "../db/connect.ts";
import { findCells, type Cell } from "../store/cells.ts";
import { readDirectoryVersion } from "../store/directory.ts";
import { findLoggers, type KnownLogger } from "../store/loggers.ts";
import { findUploadable } from "../store/members.ts";

/** The cells that some users may upload to, as far as they were asked about. */
export type Roles = ReadonlyMap<string, ReadonlySet<number>>;

/** Where uploads are judged from: which cells and loggers there are, and who may upload to which cell. */
export interface Lookup {
  cells(ids: readonly number[], names: readonly string[]): Promise<readonly Cell[]>;
  loggers(ids: readonly number[], names: readonly string[]): Promise<readonly KnownLogger[]>;
  /** Those of some cells that some users may upload to by a role, an entry for each user. */
  uploadable(userIds: readonly string[], cellIds: readonly number[]): Promise<Roles>;
}

/** Asks the database each time. */
export function lookIn(db: Db): Lookup {
  return {
    cells: async (ids, names) => await findCells(db, ids, names),
    loggers: async (ids, names) => await findLoggers(db, ids, names),
    uploadable: async (userIds, cellIds) => await findUploadable(db, userIds, cellIds),
  };
}

/** Rows that are remembered by number and by name; undefined: known not to be there. */
interface Shelf<Row> {
  readonly byId: Map<number, Row | undefined>;
  readonly byName: Map<string, Row>;
}

/**
 * Remembers what it was told, as of a version of the directory. What is decided by it holds only if the directory
 * has that version still, which the statement that stores readings checks.
 */
export class Memory implements Lookup {
  readonly #db: Db;
  #version: Promise<number> | undefined;
  readonly #cells = emptyShelf<Cell>();
  readonly #loggers = emptyShelf<KnownLogger>();
  readonly #roles = new Map<string, boolean>();

  constructor(db: Db) {
    this.#db = db;
  }

  /** What its answers are valid for. It was read before all that is remembered. */
  async version(): Promise<number> {
    this.#version ??= readDirectoryVersion(this.#db);
    return await this.#version;
  }

  /** Rows that are remembered. */
  get size(): number {
    return this.#cells.byId.size + this.#loggers.byId.size + this.#roles.size;
  }

  async cells(ids: readonly number[], names: readonly string[]): Promise<readonly Cell[]> {
    // A cell that isn't there may be made at any time, which doesn't make a new version.
    return await this.#recall(this.#cells, ids, names, findCells, false);
  }

  async loggers(ids: readonly number[], names: readonly string[]): Promise<readonly KnownLogger[]> {
    return await this.#recall(this.#loggers, ids, names, findLoggers, true);
  }

  async uploadable(userIds: readonly string[], cellIds: readonly number[]): Promise<Roles> {
    await this.version();
    const isKnown = (userId: string) => cellIds.every((id) => this.#roles.has(roleKey(userId, id)));
    const found = await this.#findUploadable(
      userIds.filter((userId) => !isKnown(userId)),
      cellIds,
    );
    for (const [userId, theirs] of found)
      for (const id of cellIds) this.#roles.set(roleKey(userId, id), theirs.has(id));
    const roleOn = (userId: string) => cellIds.filter((id) => this.#roles.get(roleKey(userId, id)));
    return new Map(userIds.map((userId) => [userId, new Set(roleOn(userId))]));
  }

  async #findUploadable(userIds: readonly string[], cellIds: readonly number[]): Promise<Roles> {
    return userIds.length === 0 ? new Map() : await findUploadable(this.#db, userIds, cellIds);
  }

  async #recall<Row extends { readonly id: number; readonly name: string }>(
    { byId, byName }: Shelf<Row>,
    ids: readonly number[],
    names: readonly string[],
    find: (db: Db, ids: readonly number[], names: readonly string[]) => Promise<Row[]>,
    remembersAbsence: boolean,
  ): Promise<readonly Row[]> {
    await this.version();
    const newIds = ids.filter((id) => !byId.has(id));
    const newNames = names.filter((name) => !byName.has(name.toLowerCase()));
    if (newIds.length + newNames.length > 0) {
      const found = await find(this.#db, newIds, newNames);
      // Not before: what is asked for meanwhile isn't known to be absent.
      if (remembersAbsence) for (const id of newIds) if (!byId.has(id)) byId.set(id, undefined);
      for (const row of found) {
        byId.set(row.id, row);
        byName.set(row.name.toLowerCase(), row);
      }
    }
    return [
      ...ids.map((id) => byId.get(id)),
      ...names.map((name) => byName.get(name.toLowerCase())),
    ].filter((row) => row !== undefined);
  }
}

function roleKey(userId: string, cellId: number): string {
  return `${userId} ${cellId}`;
}

function emptyShelf<Row>(): Shelf<Row> {
  return { byId: new Map(), byName: new Map() };
}

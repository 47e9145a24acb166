import type { DataType, Stream } from "@ents-backend/schemas/sensor";
import type { Db } from "../db/connect.ts";
import { isDuplicate } from "../db/fault.ts";
import { retryCollisions } from "../db/transact.ts";
import type { Log } from "../lib/log.ts";
import { prepare, type Batch } from "./batch.ts";
import { foldRollups } from "./rollup-deltas.ts";
import { SensorIds } from "./sensors.ts";
import { addReadings, storeReadings } from "./store-readings.ts";

/** A reading that has its place: its cell exists and takes it. */
export interface NewReading {
  readonly cellId: number;
  readonly stream: Stream;
  readonly dataType: DataType;
  /** Unix seconds, by the device's clock. */
  readonly ts: number;
  /** In the stream's unit; null when the device sent no number. */
  readonly value: number | null;
  /** Unix seconds, by the server's clock. */
  readonly receivedAt: number;
  readonly loggerId: number | null;
  /** The same object for all that came as one, and are to be announced as one; undefined: it came by itself. */
  readonly message?: Message | undefined;
}

/** A message of several values, as version 1 sends them. */
export interface Message {
  /** Whether its volumetric water content came as a fraction, and not in percent, in which it is stored. */
  readonly hasFraction: boolean;
}

/** How many of the readings were new, were there already, or had another value for their instant. */
export interface Written {
  readonly stored: number;
  readonly repeated: number;
  readonly conflicting: number;
}

/** After a batch with a repeat this many are stored with care: repeats come in swarms. */
const careful_batches = 50;

/**
 * Stores readings. (sensor, instant) is the key: what comes again changes nothing, and of two values the first stays
 * while the second is kept beside it, as a conflict. Power, the product of a voltage and a current, is stored as soon
 * as both halves of an instant are there. What the rows that were new add to rollups is stored with them, and folded
 * into these every so many batches.
 *
 * It remembers the sensors of cells, and is good as long as those cells are there.
 */
export class Writer {
  readonly #db: Db;
  readonly #log: Pick<Log, "warn"> | undefined;
  readonly #sensors: SensorIds;
  readonly #sighted = new Set<string>();
  #careful = 0;
  #isFolding = false;

  constructor(db: Db, log?: Pick<Log, "warn">) {
    this.#db = db;
    this.#log = log;
    this.#sensors = new SensorIds(db);
  }

  /** Things that are remembered. */
  get size(): number {
    return this.#sensors.size + this.#sighted.size;
  }

  /**
   * Which groups of readings would give a cell more sensors than it may have; all the others fit.
   *
   * @returns the cell that is full, by the group's place
   */
  async findOverfull(
    groups: readonly (readonly NewReading[])[],
  ): Promise<ReadonlyMap<number, number>> {
    return await this.#sensors.findOverfull(groups);
  }

  /**
   * Stores groups of readings, all or none, in one transaction. Answers after the commit.
   *
   * @param version the directory's version by which the readings were judged; undefined when that doesn't matter
   * @param sightedAt Unix seconds, before which none of their loggers was seen: whose number it is depends on who
   *   was first, and files say when their readings came
   * @returns what became of each group, in order
   * @throws StaleDirectory
   */
  async write(
    groups: readonly (readonly NewReading[])[],
    version: number | undefined,
    sightedAt = 0,
  ): Promise<Written[]> {
    const readings = groups.flat();
    if (readings.length === 0)
      return groups.map(() => ({ stored: 0, repeated: 0, conflicting: 0 }));
    const batch = await prepare(this.#sensors, readings, this.#sighted, sightedAt);
    const { old, conflicting, foldDue } =
      (await this.#add(batch, version)) ?? (await this.#store(batch, version));
    if (foldDue) this.#fold();
    for (const { key } of batch.sightings) this.#sighted.add(key);
    return countByGroup(groups, new Set(old), new Set(conflicting));
  }

  /** Most readings are new, and storing such takes half as much. @returns undefined when these are not all new */
  async #add(batch: Batch, version: number | undefined): Promise<Known | undefined> {
    const { halvesAreAlone } = batch;
    if (halvesAreAlone || this.#careful > 0) return undefined;
    try {
      const foldDue = await retryCollisions(
        async () => await addReadings(this.#db, version, batch),
      );
      return { old: [], conflicting: [], foldDue };
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      this.#careful = careful_batches;
      return undefined;
    }
  }

  async #store(batch: Batch, version: number | undefined): Promise<Known> {
    this.#careful = Math.max(0, this.#careful - 1);
    const { old, conflicting, foldDue } = await retryCollisions(
      async () => await storeReadings(this.#db, version, batch),
    );
    const { order } = batch;
    return {
      old: old.map((nth) => order[nth - 1]!),
      conflicting: conflicting.map((nth) => order[nth - 1]!),
      foldDue,
    };
  }

  /** Beside what is stored next, which doesn't wait for it. Should it fail, the next one does its work too. */
  #fold(): void {
    // In a transaction of somebody else's, which may end before it, it is left to others.
    if (this.#isFolding || this.#db.isTransaction) return;
    this.#isFolding = true;
    void foldRollups(this.#db)
      .catch((err: unknown) => this.#log?.warn({ err }, "rollups are folded later"))
      .finally(() => (this.#isFolding = false));
  }
}

/** Which readings of a batch were there, and which of them with another value. */
interface Known {
  readonly old: readonly number[];
  readonly conflicting: readonly number[];
  /** Whether it is time to fold what was stored into rollups. */
  readonly foldDue: boolean;
}

function countByGroup(
  groups: readonly (readonly NewReading[])[],
  old: ReadonlySet<number>,
  conflicting: ReadonlySet<number>,
): Written[] {
  let start = 0;
  return groups.map(({ length }) => {
    const count = (some: ReadonlySet<number>): number => {
      if (some.size === 0) return 0;
      let found = 0;
      for (let at = start; at < start + length; at += 1) if (some.has(at)) found += 1;
      return found;
    };
    const [known, conflicts] = [count(old), count(conflicting)];
    start += length;
    return { stored: length - known, repeated: known - conflicts, conflicting: conflicts };
  });
}

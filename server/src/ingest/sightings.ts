import type { Db } from "../db/connect.ts";
import { noteSightings, type Sighting } from "../store/sightings.ts";
import type { NewReading } from "../timeseries/write.ts";

/** Who sends made-up numbers can't fill the memory with them between two times of saving. */
const most = 50_000;

/**
 * When loggers were last heard of. It is noted here with each upload, and written down for all of them together, so that
 * no upload waits for it.
 */
export class Sightings {
  readonly #db: Db;
  #latest = new Map<string, Sighting>();

  constructor(db: Db) {
    this.#db = db;
  }

  /** Notes whom readings came from that the database has now, new or not. */
  note(readings: readonly NewReading[]): void {
    for (const { loggerId, cellId, receivedAt } of readings)
      if (loggerId !== null) this.#keep({ loggerId, cellId, receivedAt });
  }

  /** Writes down what was noted since the last time. What can't be written is kept for the next time. */
  async save(): Promise<void> {
    if (this.#latest.size === 0) return;
    const noted = this.#latest;
    this.#latest = new Map();
    try {
      await noteSightings(this.#db, [...noted.values()]);
    } catch (error) {
      for (const sighting of noted.values()) this.#keep(sighting);
      throw error;
    }
  }

  #keep(sighting: Sighting): void {
    const key = `${sighting.loggerId} ${sighting.cellId}`;
    const known = this.#latest.get(key);
    if (known ? known.receivedAt < sighting.receivedAt : this.#latest.size < most)
      this.#latest.set(key, sighting);
  }
}

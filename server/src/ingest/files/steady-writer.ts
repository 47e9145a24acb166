import type { Db } from "../../db/connect.ts";
import { readDirectoryVersion } from "../../store/directory.ts";
import { StaleDirectory } from "../../timeseries/store-readings.ts";
import { Writer, type NewReading, type Written } from "../../timeseries/write.ts";

/** Stores one batch of readings after another, and learns anew which sensors there are when cells have changed. */
export class SteadyWriter {
  readonly #db: Db;
  #known: { readonly writer: Writer; readonly version: number } | undefined;

  constructor(db: Db) {
    this.#db = db;
  }

  /** Stores readings, all or none; answers after the commit. */
  async write(readings: readonly NewReading[]): Promise<Written> {
    this.#known ??= {
      version: await readDirectoryVersion(this.#db),
      writer: new Writer(this.#db),
    };
    const { writer, version } = this.#known;
    try {
      const [written] = await writer.write([readings], version);
      return written!;
    } catch (error) {
      if (!(error instanceof StaleDirectory)) throw error;
      this.#known = undefined;
      return await this.write(readings);
    }
  }
}

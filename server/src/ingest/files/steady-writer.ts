import type { Db } from "../../db/connect.ts";
import { isReferenceGone } from "../../db/fault.ts";
import type { Clock } from "../../lib/clock.ts";
import { readDirectoryVersion } from "../../store/directory.ts";
import { StaleDirectory } from "../../timeseries/store-readings.ts";
import { Writer, type NewReading, type Written } from "../../timeseries/write.ts";

/** Stores one batch of readings after another, and begins anew when cells, loggers or roles have changed. */
export class SteadyWriter {
  readonly #db: Db;
  readonly #clock: Clock;
  readonly #judge: () => Promise<void>;
  #known: { readonly writer: Writer; readonly version: number } | undefined;

  /** @param judge asked at the beginning, and whenever something has changed: throws where no more may be stored */
  constructor(
    { db, clock }: { readonly db: Db; readonly clock: Clock },
    judge: () => Promise<void> = async () => {},
  ) {
    this.#db = db;
    this.#clock = clock;
    this.#judge = judge;
  }

  /** Stores readings, all or none; answers after the commit. @throws what `judge` throws */
  async write(readings: readonly NewReading[]): Promise<Written> {
    const isNew = this.#known === undefined;
    this.#known ??= await this.#learn();
    const { writer, version } = this.#known;
    try {
      const [written] = await writer.write([readings], version, this.#clock());
      return written!;
    } catch (error) {
      // That a cell is gone may show before the directory's version does.
      const isOld = error instanceof StaleDirectory || (isReferenceGone(error) && !isNew);
      if (!isOld) throw error;
      this.#known = undefined;
      return await this.write(readings);
    }
  }

  async #learn() {
    const version = await readDirectoryVersion(this.#db);
    await this.#judge();
    return { version, writer: new Writer(this.#db) };
  }
}

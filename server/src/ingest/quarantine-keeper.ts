import type { Db } from "../db/connect.ts";
import type { Clock } from "../lib/clock.ts";
import { every, type Repetition } from "../lib/every.ts";
import type { Log } from "../lib/log.ts";
import { evictQuarantined, measureQuarantine, type Extent } from "../store/quarantine.ts";

interface KeeperOptions {
  readonly db: Db;
  readonly log: Log;
  readonly clock: Clock;
  /** What the quarantine may take of the disk. */
  readonly max_bytes: number;
}

/** The state of the quarantine, for metrics: as of the last look, and what this process has kept since. */
interface QuarantineStats {
  readonly quarantinedBytes: number;
  readonly quarantinedUploads: number;
  /** How many uploads this process has let go to make room, since it started. */
  readonly evicted: number;
}

/** Other processes keep and replay uploads too: the database is asked how much there is that often. */
const interval_ms = 60_000;

/** What may come between two looks, at most. */
const largestStep_bytes = 4_000_000;

/** Strangers who fill the quarantine don't fill the log too. */
const reportInterval_s = 60;

const none = { uploads: 0, bytes: 0, unreadable: 0, keyless: 0, keyed: 0 };

/**
 * Keeps the quarantine below its maximum, so that strangers can't fill the disk: deletes what is worth least when it
 * would grow beyond.
 */
export class QuarantineKeeper {
  readonly #options: KeeperOptions;
  readonly #step_bytes: number;
  #extent: Extent = { uploads: 0, bytes: 0 };
  /** Bytes that came since the last look. */
  #unseen_bytes = 0;
  #evicted = 0;
  #unreported = none;
  #reportedAt = -Infinity;
  #looking: Promise<void> | undefined;
  #repetition: Repetition | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#step_bytes = Math.min(largestStep_bytes, Math.floor(options.max_bytes / 16));
  }

  /** Looks at once, and then every minute. */
  start(): void {
    this.#repetition = every(
      interval_ms,
      (signal) => this.#lookOnce(signal),
      () => {},
    );
  }

  /** Ends that; waits for the look in flight. */
  async stop(): Promise<void> {
    await this.#repetition?.stop();
    await this.#looking;
  }

  /** To be told of all that this process keeps: looks when that is much, or too much. */
  noteKept({ uploads, bytes }: Extent): void {
    const { uploads: before, bytes: bytesBefore } = this.#extent;
    this.#extent = { uploads: before + uploads, bytes: bytesBefore + bytes };
    this.#unseen_bytes += bytes;
    const isFull = this.#extent.bytes > this.#options.max_bytes;
    if (isFull || this.#unseen_bytes >= this.#step_bytes) void this.#lookOnce();
  }

  stats(): QuarantineStats {
    const { uploads: quarantinedUploads, bytes: quarantinedBytes } = this.#extent;
    return { quarantinedBytes, quarantinedUploads, evicted: this.#evicted };
  }

  /**
   * Measures the quarantine, and makes room until it is a step below its maximum where it is above.
   *
   * @param signal ends it between two batches
   */
  async look(signal?: AbortSignal): Promise<void> {
    const { db, max_bytes } = this.#options;
    this.#unseen_bytes = 0;
    this.#extent = await measureQuarantine(db);
    if (this.#extent.bytes > max_bytes) await this.#makeRoom(signal);
    this.#report();
  }

  /** One look at a time; who asks meanwhile waits for it. It never fails: the next one may succeed. */
  #lookOnce(signal?: AbortSignal): Promise<void> {
    this.#looking ??= this.look(signal)
      .catch((error: unknown) =>
        this.#options.log.warn({ err: error }, "the quarantine could not be looked through"),
      )
      .finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #makeRoom(signal: AbortSignal | undefined): Promise<void> {
    const { db, max_bytes } = this.#options;
    const most_bytes = max_bytes - this.#step_bytes;
    const isOver = (): boolean => signal?.aborted ?? false;
    while (this.#extent.bytes > most_bytes && !isOver()) {
      const { before, gone } = await evictQuarantined(db, most_bytes);
      this.#extent = {
        uploads: before.uploads - gone.uploads,
        bytes: before.bytes - gone.bytes,
      };
      if (gone.uploads === 0) return;
      this.#evicted += gone.uploads;
      this.#unreported = add(this.#unreported, gone);
    }
  }

  #report(): void {
    const { log, clock, max_bytes } = this.#options;
    if (this.#unreported.uploads === 0 || clock() - this.#reportedAt < reportInterval_s) return;
    log.warn(
      { ...this.#unreported, max_bytes },
      "the quarantine is full (QUARANTINE_MAX_MB): uploads went for good, those first that came without a good key",
    );
    this.#unreported = none;
    this.#reportedAt = clock();
  }
}

function add(a: typeof none, b: typeof none): typeof none {
  return {
    uploads: a.uploads + b.uploads,
    bytes: a.bytes + b.bytes,
    unreadable: a.unreadable + b.unreadable,
    keyless: a.keyless + b.keyless,
    keyed: a.keyed + b.keyed,
  };
}

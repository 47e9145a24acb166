import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseProbe } from "../db/probe.ts";
import { Batcher, QueueFull, type Settled } from "../lib/batcher.ts";
import { NotYet, type Journal } from "../lib/journal.ts";
import type { Json } from "../lib/journal-lines.ts";
import type { Written } from "../timeseries/write.ts";
import { applyRecords, isAbsence, isPassing } from "./apply.ts";
import { decode } from "./decode.ts";
import { Placer, Unkept, type Arrived, type PlaceDeps } from "./place.ts";
import { toRecord } from "./record.ts";
import { Sightings } from "./sightings.ts";
import { Suspects } from "./suspects.ts";
import type { Measurement, Uplink } from "./uplink.ts";

export interface IngestDeps extends Omit<PlaceDeps, "sightings"> {
  readonly journal: Pick<Journal, "append" | "drain" | "depth">;
  /** Says, soon in any case, whether the database takes uploads. */
  readonly probe: Pick<DatabaseProbe, "isUp">;
  /** How long an upload waits for the database, before it goes to the journal. */
  readonly patience_ms?: number;
}

/** What became of an upload. Nothing is stored of one that held nothing to store. */
export type Outcome = Stored | { readonly ignored: string };

export interface Stored {
  readonly measurements: readonly Measurement[];
  /** Unix seconds. */
  readonly receivedAt: number;
  /** Undefined when the upload is in the journal: it is judged when the database is back. */
  readonly written: Written | undefined;
}

/** A node waits a second for its answer: half of it is for the database, the rest for the journal. */
const usualPatience_ms = 500;
/** How soon the database is looked for again: each time in vain it takes twice as long, up to the second of these. */
const recovery_ms = [200, 5000] as const;

const limits = {
  batch: 256,
  batchWeight: 1024 * 1024,
  queueWeight: 64 * 1024 * 1024,
};
/** Bytes that an upload takes in the queue beside its body. */
const overhead_bytes = 500;

/**
 * THE write path: decode → judge → store. Uploads that come at the same time are stored together, and each is
 * answered after the commit. While the database is away or slow they are kept in the journal, on this machine's disk,
 * and go the same way when it is back.
 */
export class Ingest {
  readonly #deps: IngestDeps;
  readonly #sightings: Sightings;
  readonly #placer: Placer;
  readonly #batcher: Batcher<Arrived, Written>;
  readonly #suspects = new Suspects();
  readonly #closing = new AbortController();
  #recovery: Promise<void> | undefined;
  #away = false;

  /** @param startsAway whether the database is known to be away */
  constructor(deps: IngestDeps, startsAway = false) {
    this.#deps = deps;
    this.#sightings = new Sightings(deps.db);
    this.#placer = new Placer({ ...deps, sightings: this.#sightings });
    const { patience_ms = usualPatience_ms } = deps;
    this.#batcher = new Batcher((arrived) => this.#commit(arrived), { ...limits, patience_ms });
    deps.metrics.beforeReading(() => deps.metrics.uploadQueue.set(this.#batcher.waiting));
    this.#away = startsAway;
    // What the journal has from before a restart.
    this.#recoverSoon();
  }

  /**
   * Takes an upload. It is kept durably before this answers, one way or another.
   *
   * @throws Refusal when it can't be placed; by then it is in quarantine, whole, or on its way there by the journal
   * @throws KnownError when there is no room for it on the disk either
   */
  async take(uplink: Uplink): Promise<Outcome> {
    const content = decode(uplink);
    if ("ignored" in content) return content;
    const arrived = { uplink, content };
    const written = this.#away ? undefined : await this.#place(arrived);
    if (!written) await this.#keep(uplink);
    if ("refusal" in content) throw content.refusal;
    return { measurements: content.measurements, receivedAt: uplink.receivedAt, written };
  }

  /** Applies what the journal holds, where that is known to be something. */
  catchUp(): void {
    this.#recoverSoon();
  }

  /** Writes down when loggers were last heard of. */
  async noteSightings(): Promise<void> {
    await this.#sightings.save();
  }

  /** Waits for the uploads under way. */
  async close(): Promise<void> {
    await this.#batcher.settle();
    this.#closing.abort();
    await this.#recovery;
    await this.noteSightings().catch((err: unknown) =>
      this.#deps.log.warn({ err }, "whom uploads of the last seconds came from isn't noted"),
    );
  }

  async #commit(arrived: readonly Arrived[]): Promise<Settled<Written>[]> {
    const { commitSeconds, commitUploads } = this.#deps.metrics;
    commitUploads.observe(arrived.length);
    const stop = commitSeconds.startTimer();
    const settled = await this.#placer.place(arrived);
    stop();
    if (settled.some(({ ok }) => ok)) this.#suspects.noteTaken();
    return settled;
  }

  /** @returns undefined when the database doesn't take it, or not in time: it may yet do so */
  async #place(arrived: Arrived): Promise<Written | undefined> {
    try {
      const weight = arrived.uplink.payload.length + overhead_bytes;
      return await this.#batcher.submit(arrived, weight);
    } catch (error) {
      if (error instanceof QueueFull) return undefined;
      if (error instanceof Unkept) {
        this.#deps.log.error({ err: error }, "an upload goes to the journal");
        return undefined;
      }
      if (!isPassing(error)) throw error;
      this.#goAway(error);
      return undefined;
    }
  }

  async #keep(uplink: Uplink): Promise<void> {
    await this.#deps.journal.append(toRecord(uplink));
    this.#deps.metrics.journalAppended.inc();
    this.#recoverSoon();
  }

  #goAway(error: unknown): void {
    if (!this.#away)
      this.#deps.log.warn({ err: error }, "the database is away: uploads go to the journal");
    this.#away = true;
    this.#recoverSoon();
  }

  #recoverSoon(): void {
    if (this.#closing.signal.aborted) return;
    this.#recovery ??= this.#recover().finally(() => (this.#recovery = undefined));
  }

  /** Until the database is back and has what the journal has. */
  async #recover(): Promise<void> {
    const { journal } = this.#deps;
    const { signal } = this.#closing;
    const [shortest_ms, longest_ms] = recovery_ms;
    let pause_ms: number = shortest_ms;
    while (!signal.aborted && (this.#away || journal.depth().records > 0)) {
      const isBack = await this.#tryToRecover(signal);
      pause_ms = isBack ? shortest_ms : Math.min(2 * pause_ms, longest_ms);
      await sleep(pause_ms, undefined, { signal }).catch(() => undefined);
    }
  }

  /** @returns whether the database is back, and has what the journal had */
  async #tryToRecover(signal: AbortSignal): Promise<boolean> {
    const { journal, log, probe } = this.#deps;
    if (!(await probe.isUp())) return false;
    let applied = 0;
    let refused: unknown;
    const apply = async (some: readonly Json[]) => {
      try {
        const unkept = await this.#apply(some);
        applied += some.length - unkept.length;
        return unkept;
      } catch (error) {
        refused = error;
        throw error;
      }
    };
    try {
      await journal.drain(apply, signal);
    } catch (error) {
      if (!isAbsence(error))
        log.error({ err: error }, "the journal can't be applied; it is tried again");
      // It may take what comes now, as where the journal's own files fail: if it doesn't, that shows.
      if (error instanceof NotYet || error !== refused) this.#away = false;
      return false;
    }
    if (signal.aborted) return false;
    this.#away = false;
    // What another process is applying at this moment is left to it.
    if (journal.depth().records > 0) return false;
    log.info({ applied }, "the database is back, and has what the journal had");
    return true;
  }

  async #apply(records: readonly Json[]): Promise<readonly Json[]> {
    const { journalApplied, journalUnkept } = this.#deps.metrics;
    try {
      const parts = { placer: this.#placer, suspects: this.#suspects };
      const unkept = await applyRecords({ ...this.#deps, ...parts }, records);
      journalApplied.inc(records.length - unkept.length);
      journalUnkept.inc(unkept.length);
      this.#away = false;
      return unkept;
    } catch (error) {
      if (!(error instanceof NotYet)) this.#goAway(error);
      throw error;
    }
  }
}

import { isInputRefused, isReferenceGone } from "../db/fault.ts";
import type { Settled } from "../lib/batcher.ts";
import { readDirectoryVersion } from "../store/directory.ts";
import { StaleDirectory } from "../timeseries/store-readings.ts";
import { Writer, type Written } from "../timeseries/write.ts";
import { judge, readingsOf, type Judgement } from "./judge.ts";
import { Memory } from "./lookup.ts";
import type { Metrics } from "../metrics.ts";
import type { CreatorDeps } from "./newcomers.ts";
import { refuseOverfull } from "./overfull.ts";
import { quarantine, type QuarantineDeps } from "./quarantine.ts";
import { unknownUploadKey, type Refusal } from "./refusal.ts";
import type { Sightings } from "./sightings.ts";
import type { Credentials, Measurement, Sender, Uplink } from "./uplink.ts";

export interface PlaceDeps extends Omit<CreatorDeps, "lookup">, QuarantineDeps {
  readonly metrics: Metrics;
  readonly sightings: Pick<Sightings, "note">;
  /** Finds out who sends an upload. */
  readonly identify: (credentials: Credentials, receivedAt: number) => Promise<Sender>;
}

/** An upload as far as it is understood without the database: its measurements, or why there are none. */
export interface Arrived {
  readonly uplink: Uplink;
  readonly content:
    | { readonly measurements: readonly Measurement[] }
    | { readonly refusal: Refusal };
}

/** Why an upload could be kept neither with the readings nor in quarantine: it exists nowhere in the database. */
export class Unkept extends Error {
  override readonly name = "Unkept";
}

/** More than this many rows are forgotten: who sends made-up numbers can't fill the memory with them. */
const remembered_rows = 50_000;

/** How often a batch is judged by what is known anew, where the directory changes all the time. */
const freshTries = 5;

/** Finds uploads their place and keeps them there, many at a time. */
export class Placer {
  readonly #deps: PlaceDeps;
  #known: { readonly memory: Memory; readonly writer: Writer };

  constructor(deps: PlaceDeps) {
    this.#deps = deps;
    this.#known = this.#learn();
  }

  /**
   * Keeps uploads: readings where they belong, what has no place in quarantine, whole. The readings of all go in one
   * transaction where that works, what is refused in one after it; an upload that spoils either fails by itself, and is in
   * quarantine then.
   *
   * @returns what became of each, in order: what was written, or why it wasn't. Those that the database was away for have
   *   failed with its error, and nothing else is known of them.
   */
  async place(arrived: readonly Arrived[], tries = freshTries): Promise<Settled<Written>[]> {
    try {
      return await this.#placeTogether(arrived, tries);
    } catch (error) {
      return await this.#placeAgain(arrived, error, tries);
    }
  }

  /**
   * Keeps an upload in quarantine that fails for itself with an error.
   *
   * @returns that it failed with this error; or as Unkept, where quarantine refuses it too
   * @throws what keeps it from being kept now
   */
  async keepSpoilt({ uplink }: Arrived, error: unknown): Promise<Settled<Written>> {
    try {
      const sender = await this.#deps
        .identify(uplink.credentials, uplink.receivedAt)
        .catch(toNobody);
      await quarantine(this.#deps, [{ uplink, sender, error }]);
      return { ok: false, error };
    } catch (cause) {
      if (!isInputRefused(cause)) throw cause;
      return { ok: false, error: new Unkept("an upload can't be kept in quarantine", { cause }) };
    }
  }

  /** What failed together is tried anew where that may help, and else in halves, down to the one that fails alone. */
  async #placeAgain(
    arrived: readonly Arrived[],
    error: unknown,
    tries: number,
  ): Promise<Settled<Written>[]> {
    this.#known = this.#learn();
    // A cell that was remembered may be gone, which shows before its version does.
    const isOld = error instanceof StaleDirectory || isReferenceGone(error);
    if (isOld && tries > 1) return await this.place(arrived, tries - 1);
    if (error instanceof StaleDirectory || !isInputRefused(error))
      return arrived.map(() => failed(error));
    if (arrived.length === 1) return [await this.keepSpoilt(arrived[0]!, error).catch(failed)];
    const middle = Math.ceil(arrived.length / 2);
    const first = await this.place(arrived.slice(0, middle));
    return [...first, ...(await this.place(arrived.slice(middle)))];
  }

  #learn() {
    return { memory: new Memory(this.#deps.db), writer: new Writer(this.#deps.db, this.#deps.log) };
  }

  async #placeTogether(arrived: readonly Arrived[], tries: number): Promise<Settled<Written>[]> {
    if (this.#known.memory.size + this.#known.writer.size > remembered_rows)
      this.#known = this.#learn();
    const { memory, writer } = this.#known;
    const version = await memory.version();
    const senders = await identifyAll(this.#deps, arrived);
    const judged = await this.#judge(arrived, senders, memory);
    const judgements = await refuseOverfull(writer, judged);
    const groups = judgements.map(readingsOf);
    const written = await writer.write(groups, version);
    for (const group of groups) this.#deps.sightings.note(group);
    this.#count(written);
    // After the write, and by itself should it fail: what is tried anew for a write may be judged otherwise then, and is
    // either stored or in quarantine.
    const refused = await this.#keepRefused(arrived, senders, judgements, version, tries);
    return judgements.map((judgement, at) =>
      "refusal" in judgement ? refused.shift()! : { ok: true, result: written[at]! },
    );
  }

  #count(written: readonly Written[]): void {
    const { readings } = this.#deps.metrics;
    for (const result of ["stored", "repeated", "conflicting"] as const)
      readings.inc(
        { result },
        written.reduce((sum, one) => sum + one[result], 0),
      );
  }

  async #judge(
    arrived: readonly Arrived[],
    senders: readonly Sender[],
    memory: Memory,
  ): Promise<Judgement[]> {
    const candidates = arrived.flatMap(({ content, uplink: { receivedAt } }, at) =>
      "measurements" in content
        ? [{ measurements: content.measurements, receivedAt, sender: senders[at]! }]
        : [],
    );
    const judgements = (await judge({ ...this.#deps, lookup: memory }, candidates)).values();
    return arrived.map(({ content }, at) => {
      if ("measurements" in content) return judgements.next().value!;
      return senders[at]!.kind === "unknown" ? { refusal: unknownUploadKey() } : content;
    });
  }

  /** @returns what became of those that were refused: another thing, where the directory has changed meanwhile */
  async #keepRefused(
    arrived: readonly Arrived[],
    senders: readonly Sender[],
    judgements: readonly Judgement[],
    version: number,
    tries: number,
  ): Promise<Settled<Written>[]> {
    const refused = arrived.flatMap((one, at) => {
      const judgement = judgements[at]!;
      return "refusal" in judgement
        ? [{ ...one, sender: senders[at]!, error: judgement.refusal }]
        : [];
    });
    if (refused.length === 0) return [];
    try {
      if ((await readDirectoryVersion(this.#deps.db)) !== version)
        throw new StaleDirectory("the directory has changed");
      await quarantine(this.#deps, refused);
      return refused.map(({ error }) => ({ ok: false, error }));
    } catch (error) {
      return await this.#placeAgain(refused, error, tries);
    }
  }
}

function failed(error: unknown): Settled<Written> {
  return { ok: false, error };
}

/** Asks once for each sender, however many uploads are theirs. */
async function identifyAll(
  { identify }: PlaceDeps,
  arrived: readonly Arrived[],
): Promise<Sender[]> {
  const known = new Map<string, Promise<Sender>>();
  const senders = arrived.map(async ({ uplink: { credentials, receivedAt } }) => {
    if (showsNothing(credentials)) return nobody;
    // The journal brings uploads of hours together, in which a key may have ended.
    const key = JSON.stringify([credentials, Math.floor(receivedAt)]);
    const sender = known.get(key) ?? identify(credentials, receivedAt);
    known.set(key, sender);
    return await sender;
  });
  return await Promise.all(senders);
}

const nobody: Sender = { kind: "nobody" };

/** Whose an upload is that fails already when it is asked who sends it. */
function toNobody(error: unknown): Sender {
  if (isInputRefused(error)) return nobody;
  throw error;
}

function showsNothing(credentials: Credentials): boolean {
  return credentials.kind === "open" && !credentials.key && !credentials.session;
}

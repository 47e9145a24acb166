import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../lib/clock.ts";
import { defineError } from "../../lib/errors.ts";
import { openSender, type Outcome, type Target } from "./send.ts";
import type { Upload } from "./uploads.ts";

const unreachable = defineError(
  "unavailable",
  "unreachable",
  "no server answers at {url}: {reason}. `ents-backend start` starts one; --url names another",
);

/**
 * Sends uploads, as many at once as the target has connections, until none is left or `stop` is aborted; those
 * on their way are waited for.
 *
 * @throws KnownError when the first of them doesn't reach a server
 */
export async function runSimulation(
  target: Target,
  rounds: AsyncIterable<Generator<Upload>> | Iterable<Generator<Upload>>,
  stop: AbortSignal,
  onOutcome: (outcome: Outcome) => void,
): Promise<void> {
  const sender = openSender(target);
  let reached = false;
  const sendOne = async (upload: Upload): Promise<void> => {
    const outcome = await sender.send(upload);
    const { failure } = outcome;
    reached ||= failure?.status !== undefined || !failure;
    if (!reached) throw unreachable({ url: target.url.href, reason: failure!.reason });
    onOutcome(outcome);
  };
  const work = async (uploads: Generator<Upload>): Promise<void> => {
    for (const upload of uploads) {
      if (stop.aborted) return;
      await sendOne(upload);
    }
  };
  try {
    for await (const uploads of rounds)
      await Promise.all(Array.from({ length: target.connections }, () => work(uploads)));
  } finally {
    sender.close();
  }
}

/** The instants from `start` to `end`, both included, in Unix seconds. */
export function* instantsBetween(
  start: number,
  end: number,
  interval_s: number,
): Generator<number> {
  for (let ts = start; ts <= end; ts += interval_s) yield ts;
}

/** An instant now and one each interval, until `stop` is aborted; those that went by meanwhile are left out. */
export async function* instantsFromNow(
  interval_s: number,
  stop: AbortSignal,
): AsyncGenerator<number> {
  let ts = Math.floor(systemClock());
  while (!stop.aborted) {
    yield ts;
    const elapsed_s = systemClock() - ts;
    ts += interval_s * Math.max(1, Math.ceil(elapsed_s / interval_s));
    await waitUntil(ts, stop);
  }
}

async function waitUntil(ts: number, stop: AbortSignal): Promise<void> {
  try {
    await sleep(Math.max(0, ts - systemClock()) * 1000, undefined, { signal: stop });
  } catch (error) {
    if (!stop.aborted) throw error;
  }
}

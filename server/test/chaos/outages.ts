import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Chance } from "../support/random.ts";
import { expectKept } from "./audit.ts";
import { ForeignPostgres } from "./postgres.ts";
import { Product } from "./product.ts";
import { Writers } from "./writers.ts";

/** So many nodes' worth of uploads, not as many as a machine can make. */
const pause_ms = 10;

/** How long there is no database, and within which time an upload is answered nevertheless. */
export interface Hardship {
  readonly duration_ms: number;
  readonly patience_ms: number;
}

/** Freezes the database under uploads for some time, as a stalled disk does. */
export async function surviveFreeze(chance: Chance, hardship: Hardship): Promise<void> {
  const product = await Product.create();
  try {
    await surviveOutage(product, chance, {
      begin: () => product.signalDatabase("SIGSTOP"),
      end: () => product.signalDatabase("SIGCONT"),
      ...hardship,
    });
  } finally {
    await product.discard();
  }
}

/** Stops a database that isn't ours to start again, under uploads, for some time. */
export async function surviveAbsence(chance: Chance, hardship: Hardship): Promise<void> {
  const postgres = await ForeignPostgres.create();
  await postgres.start();
  const product = await Product.create(postgres.url);
  try {
    await surviveOutage(product, chance, {
      begin: () => postgres.stop(),
      end: () => postgres.start(),
      ...hardship,
    });
  } finally {
    await product.discard();
    await postgres.discard();
  }
}

interface Outage extends Hardship {
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
}

async function surviveOutage(
  product: Product,
  chance: Chance,
  { begin, end, duration_ms, patience_ms }: Outage,
): Promise<void> {
  await product.start();
  const writers = new Writers(chance, await product.createCells(3));
  const stop = new AbortController();
  const written = writers.run(product.url, stop.signal, { pause_ms });
  await sleep(1000);
  await begin();
  try {
    await sleep(duration_ms);
  } finally {
    await end();
  }
  await sleep(1000);
  stop.abort();
  await written;
  expect(countOutcomes(writers, patience_ms)).toEqual({ "200 in time": writers.outcomes.length });
  await expectKept(product, writers.ledger, writers.ledger.freeze());
}

/** How many uploads were answered what, and whether within some time. */
function countOutcomes({ outcomes }: Writers, patience_ms: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, latency_ms } of outcomes) {
    const outcome = `${status ?? "no answer"} ${latency_ms < patience_ms ? "in time" : "too late"}`;
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

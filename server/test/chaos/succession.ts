import { expect } from "vitest";
import { waitUntil } from "../support/wait-until.ts";
import { freePort } from "../support/free-port.ts";
import type { Chance } from "../support/random.ts";
import { expectKept } from "./audit.ts";
import { Product } from "./product.ts";
import { Writers } from "./writers.ts";

/** Some 500 uploads a second, most of them on connections that are kept. */
export const load = { nodes: 40, pause_ms: 60 };

/** Uploads while something is done; answers what became of them, once everything acknowledged is seen to be stored. */
export async function uploadDuring(
  product: Product,
  writers: Writers,
  act: () => Promise<unknown>,
  after: Product = product,
): Promise<Record<string, number>> {
  const { length } = writers.outcomes;
  const stop = new AbortController();
  const written = writers.run(product.url, stop.signal, load);
  await untilMore(writers);
  await act();
  await untilMore(writers);
  stop.abort();
  await written;
  await expectKept(after, writers.ledger, writers.ledger.freeze());
  return statusesOf(writers.outcomes.slice(length));
}

/** Waits until they have uploaded some hundred times more. */
export async function untilMore({ outcomes }: Writers): Promise<void> {
  const { length } = outcomes;
  await waitUntil(() => outcomes.length > length + 100);
}

function statusesOf(outcomes: Writers["outcomes"]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status = "none" } of outcomes) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** How many there are of all kinds. */
export const sumOf = (counts: Record<string, number>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/**
 * Begins a server beside another one at the same port and with the same data, and stops the first: under uploads, of which
 * next to none may be refused, and none may be lost that was acknowledged.
 */
export async function surviveSuccession(chance: Chance, processes: number): Promise<void> {
  const settings = { WEB_CONCURRENCY: String(processes), PORT: String(await freePort()) };
  const product = await Product.create(undefined, settings);
  const successor = product.beside({});
  try {
    await product.start();
    const writers = new Writers(chance, await product.createCells(3));
    const handOver = async () => {
      await successor.start();
      expect(await product.stop()).toBe(0);
    };
    const { 200: taken = 0, ...others } = await uploadDuring(product, writers, handOver, successor);
    expect(taken).toBeGreaterThan(0);
    // A connection that comes in the moment between the last look at the queue and its end.
    expect(sumOf(others)).toBeLessThanOrEqual(Math.max(2, taken / 200));
  } finally {
    await successor.discard();
  }
}

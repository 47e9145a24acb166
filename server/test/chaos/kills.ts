import { setTimeout as sleep } from "node:timers/promises";
import { expect, vi } from "vitest";
import type { Chance } from "../support/random.ts";
import { expectKept } from "./audit.ts";
import { Product } from "./product.ts";
import { Writers } from "./writers.ts";

/** What is killed. */
export type Victim = "the server" | "the database" | "both" | "a process";
export const victims: readonly Victim[] = ["the server", "the database", "both"];

/** Within which time a start is up, or a server that stayed answers reads again. */
const recovery_ms = 10_000;
const longestRound_ms = 1500;

/**
 * Kills under uploads, one victim after another, each at a random moment, and expects after each that all came up by
 * itself, and that everything is kept that was acknowledged until then.
 */
export async function surviveKills(
  chance: Chance,
  killed: readonly Victim[],
  processes = 1,
): Promise<void> {
  const product = await Product.create(undefined, { WEB_CONCURRENCY: String(processes) });
  try {
    await product.start();
    const writers = new Writers(chance, await product.createCells(3));
    for (const victim of killed) await surviveOne(product, writers, chance, victim);
    expect(countStatuses(writers)).toEqual({ 200: expect.any(Number) });
    await expectRollupsChecked(product);
  } finally {
    await product.discard();
  }
}

async function surviveOne(
  product: Product,
  writers: Writers,
  chance: Chance,
  victim: Victim,
): Promise<void> {
  const stop = new AbortController();
  const before = writers.ledger.freeze().length;
  const written = writers.run(product.url, stop.signal);
  const going = () => writers.ledger.freeze().length;
  const options = { timeout: recovery_ms, interval: 20 };
  await vi.waitFor(() => expect(going()).toBeGreaterThan(before), options);
  await sleep(chance.below(longestRound_ms));
  await kill(product, chance, victim);
  // Writers go on against what is left of it for a moment.
  await sleep(chance.below(300));
  stop.abort();
  await written;
  const acknowledged = writers.ledger.freeze();
  const took_ms = product.isAlive ? await untilReadable(product) : await product.start();
  expect(took_ms).toBeLessThan(recovery_ms);
  await expectKept(product, writers.ledger, acknowledged);
}

async function kill(product: Product, chance: Chance, victim: Victim): Promise<void> {
  const blows = {
    "the server": [() => product.kill()],
    "the database": [() => product.killDatabase()],
    both: [() => product.kill(), () => product.killDatabase()],
    "a process": [async () => process.kill(chance.pick(await product.processes()), "SIGKILL")],
  }[victim];
  if (chance.happens(0.5)) blows.reverse();
  await Promise.all(blows.map((blow) => blow()));
}

/** How long it takes until a read is answered, in ms. */
async function untilReadable({ url }: Product): Promise<number> {
  const start = performance.now();
  const read = async () => (await fetch(`${url}/api/power/1?resample=none`)).status;
  const options = { timeout: recovery_ms, interval: 20 };
  await vi.waitFor(async () => expect(await read()).toBe(200), options);
  return performance.now() - start;
}

/** How many uploads were answered what; without an answer, or told to come again, are those that a kill met. */
function countStatuses({ outcomes }: Writers): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of outcomes)
    if (status !== undefined && status !== 503) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** The product's own check, where it has one, finds nothing either. */
async function expectRollupsChecked(product: Product): Promise<void> {
  if (!(await product.run("--help")).includes("rollup")) return;
  await product.run("rollup", "check");
}

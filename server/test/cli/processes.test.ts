import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { expectKept } from "../chaos/audit.ts";
import { Product } from "../chaos/product.ts";
import { Writers } from "../chaos/writers.ts";
import { connectTo, measurementsOf, waitUntil } from "../support/listen.ts";
import { openChance } from "../support/random.ts";
import { freePort } from "../support/nginx.ts";

const products: Product[] = [];
afterEach(async () => {
  for (const product of products.splice(0).reverse()) await product.discard();
});

async function start(settings: Record<string, string>): Promise<Product> {
  const product = await Product.create(undefined, settings);
  products.push(product);
  await product.start();
  return product;
}

/** Some 500 uploads a second, two thirds of them on connections that are kept. */
const load = { nodes: 40, pause_ms: 60 };

/** Uploads while something is done; answers what became of them, once everything acknowledged is seen to be stored. */
async function uploadDuring(
  product: Product,
  cells: readonly number[],
  act: () => Promise<void>,
  after: Product = product,
) {
  const writers = new Writers(openChance(), cells);
  const stop = new AbortController();
  const written = writers.run(product.url, stop.signal, load);
  await waitUntil(() => writers.outcomes.length > 100);
  await act();
  await sleep(500);
  stop.abort();
  await written;
  await expectKept(after, writers.ledger, writers.ledger.freeze());
  return writers.outcomes;
}

const statusesOf = (outcomes: Writers["outcomes"]) =>
  Object.fromEntries(
    Map.groupBy(outcomes, ({ status }) => status ?? "none")
      .entries()
      .map(([status, some]) => [status, some.length]),
  );

describe("two processes", () => {
  it("are replaced one after the other under 500 uploads a second: none is lost, none refused", async () => {
    const product = await start({ WEB_CONCURRENCY: "2" });
    const before = await product.processes();
    expect(before).toHaveLength(2);
    const outcomes = await uploadDuring(product, await product.createCells(3), async () => {
      process.kill(product.pid, "SIGHUP");
      await waitUntil(() => product.output.includes("Reloaded: 2 new processes"));
    });
    console.log(statusesOf(outcomes), Math.max(...outcomes.map((o) => o.latency_ms)));
    expect(statusesOf(outcomes)).toEqual({ 200: expect.any(Number) });
    const now = await product.processes();
    expect(now).toHaveLength(2);
    expect(now.filter((pid) => before.includes(pid))).toEqual([]);
  }, 90_000);
});

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
    expect(statusesOf(outcomes)).toEqual({ 200: expect.any(Number) });
    const now = await product.processes();
    expect(now).toHaveLength(2);
    expect(now.filter((pid) => before.includes(pid))).toEqual([]);
  }, 90_000);
});

describe("two processes, once more", () => {
  it("go on when one is killed under uploads: nothing acknowledged is lost, and it is back", async () => {
    const product = await start({ WEB_CONCURRENCY: "2" });
    const before = await product.processes();
    const outcomes = await uploadDuring(product, await product.createCells(3), async () => {
      process.kill(before[0]!, "SIGKILL");
      await waitUntil(async () => (await product.processes()).length === 2);
      await sleep(2000);
    });
    const statuses = statusesOf(outcomes);
    console.log(statuses);
    // What was under way there, and what it had accepted.
    expect(statuses["none"] ?? 0).toBeLessThanOrEqual(load.nodes);
    expect(Object.keys(statuses).filter((status) => !["200", "none"].includes(status))).toEqual([]);
    const now = await product.processes();
    expect(now).toContain(before[1]);
    expect(now).not.toContain(before[0]);
  }, 90_000);

  it("answer what is under way when they are told to stop, and leave nothing behind", async () => {
    const product = await start({ WEB_CONCURRENCY: "2" });
    const [cellId = 0] = await product.createCells(1);
    const writers = new Writers(openChance(), [cellId]);
    const stop = new AbortController();
    const written = writers.run(product.url, stop.signal, load);
    await waitUntil(() => writers.outcomes.length > 100);
    const processes = await product.processes();
    const code = await product.stop();
    stop.abort();
    await written;
    expect(code).toBe(0);
    expect(product.complaint).toBe("");
    for (const pid of processes) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    const acknowledged = writers.ledger.freeze();
    await product.start();
    await expectKept(product, writers.ledger, acknowledged);
  }, 90_000);

  it("are counted together, also those that are gone", async () => {
    const product = await start({ WEB_CONCURRENCY: "2" });
    const outcomes = await uploadDuring(product, await product.createCells(3), async () => {});
    const count = async () => {
      const text = await (await fetch(`${product.url}/metrics`)).text();
      const lines = text.split("\n").filter((line) => line.startsWith("ents_uploads_total{"));
      return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    };
    expect(await count()).toBe(outcomes.length);
    process.kill(product.pid, "SIGHUP");
    await waitUntil(() => product.output.includes("Reloaded"));
    expect(await count()).toBe(outcomes.length);
    const [pid = 0] = await product.processes();
    process.kill(pid, "SIGKILL");
    await waitUntil(async () => (await product.processes()).filter((one) => one !== pid).length === 2);
    expect(await count()).toBe(outcomes.length);
  }, 90_000);

  it("tell everyone who listens, however they ask, and whichever process they come to", async () => {
    const product = await start({ WEB_CONCURRENCY: "2" });
    const [cellId = 0] = await product.createCells(1);
    const ways = [["polling"], ["polling", "websocket"], ["websocket"]];
    const dashboards = await Promise.all(
      Array.from({ length: 12 }, async (_, nth) => {
        const options = { transports: ways[nth % ways.length]!, reconnection: false };
        const dashboard = await connectTo(product.url, options);
        expect(await dashboard.ask("subscribe_cells", { cellIds: [cellId] })).toMatchObject({
          cellIds: [cellId],
        });
        return dashboard;
      }),
    );
    const sent = Array.from({ length: 20 }, (_, nth) => 1_705_316_400 + nth);
    for (const ts of sent) {
      const reading = { type: "yfs210c", cellId, loggerId: 1, ts, data: { flow: 1 } };
      const headers = { "Content-Type": "application/json", Connection: "close" };
      const options = { method: "POST", headers, body: JSON.stringify(reading) };
      expect((await fetch(`${product.url}/api/sensor_json/`, options)).status).toBe(200);
    }
    for (const { heard, close } of dashboards) {
      await waitUntil(() => measurementsOf(heard).length >= sent.length);
      expect(measurementsOf(heard).map(({ timestamp }) => timestamp)).toEqual(sent);
      close();
    }
  }, 60_000);
});

describe.each(["1", "2"])("a server of %s", (processes) => {
  it("is succeeded by another one at the same port under 500 uploads a second: what is acknowledged is kept", async () => {
    const settings = { WEB_CONCURRENCY: processes, PORT: String(await freePort()) };
    const product = await start(settings);
    const successor = product.beside({});
    const cells = await product.createCells(3);
    const outcomes = await uploadDuring(
      product,
      cells,
      async () => {
        await successor.start();
        products[0] = successor;
        expect(await product.stop()).toBe(0);
      },
      successor,
    );
    console.log(statusesOf(outcomes));
    expect(Object.keys(statusesOf(outcomes))).toEqual(["200"]);
  }, 90_000);
});

describe("a port that is another server's", () => {
  it("is told of, and left alone", async () => {
    const product = await start({ WEB_CONCURRENCY: "2", PORT: String(await freePort()) });
    const { port } = new URL(product.url);
    const other = Product.create(undefined, { WEB_CONCURRENCY: "2", PORT: port });
    const stranger = await other;
    await expect(stranger.launch()).rejects.toThrow(`port ${port} of 127.0.0.1 is taken`);
    expect((await fetch(`${product.url}/healthz`)).status).toBe(200);
  }, 60_000);
});

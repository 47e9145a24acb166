import { afterAll, beforeAll, expect, it } from "vitest";
import { Product } from "../chaos/product.ts";
import { connectTo, measurementsOf, type Dashboard } from "../support/listen.ts";
import { waitUntil } from "../support/wait-until.ts";

let product: Product;
let cellId: number;
beforeAll(async () => {
  product = await Product.create();
  await product.start();
  [cellId = 0] = await product.createCells(1);
});
afterAll(async () => await product.discard());

let ts = 1_705_316_400;

/** Uploads one reading; answers its instant. */
async function upload(): Promise<number> {
  const reading = { type: "yfs210c", cellId, loggerId: 1, ts: ++ts, data: { flow: 1 } };
  const response = await fetch(`${product.url}/api/sensor_json/`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(reading),
  });
  expect(response.status).toBe(200);
  return reading.ts;
}

const instantsOf = (heard: Dashboard["heard"]) =>
  measurementsOf(heard).map(({ timestamp }) => timestamp);

/** A dashboard of the cell, from a cursor on. */
async function listen(cursor?: string): Promise<Dashboard> {
  const dashboard = await connectTo(product.url);
  const answer = await dashboard.ask("subscribe_cells", { cellIds: [cellId], cursor });
  expect(answer).toMatchObject({ cellIds: [cellId] });
  return dashboard;
}

it("a dashboard hears once and in order what was acknowledged, whatever is killed and restarted", async () => {
  const sent: number[] = [];
  const heard: unknown[] = [];
  let dashboard = await listen();
  const goOn = async (uploads: number): Promise<void> => {
    for (let nth = 0; nth < uploads; nth += 1) sent.push(await upload());
  };

  await goOn(5);
  await waitUntil(() => instantsOf(dashboard.heard).length === 5);
  await product.killDatabase();
  await goOn(10);
  await waitUntil(() => instantsOf(dashboard.heard).length === 15);

  await goOn(3);
  const cursor = String(dashboard.heard.findLast(({ data }) => data["cursor"])!.data["cursor"]);
  const before = instantsOf(dashboard.heard).indexOf(
    dashboard.heard.findLast(({ data }) => data["cursor"] === cursor)!.data["timestamp"],
  );
  heard.push(...instantsOf(dashboard.heard).slice(0, before + 1));
  await product.kill();
  dashboard.close();
  await product.start();
  await goOn(4);
  dashboard = await listen(cursor);
  await goOn(2);
  await waitUntil(() => heard.length + instantsOf(dashboard.heard).length >= sent.length);
  heard.push(...instantsOf(dashboard.heard));
  dashboard.close();
  expect(heard).toEqual(sent);
}, 120_000);

it("a dashboard is told when the server goes, and comes again by itself", async () => {
  const dashboard = await listen();
  const isOver = new Promise((resolve) => dashboard.socket.once("disconnect", resolve));
  process.kill(product.pid, "SIGTERM");
  expect(await isOver).toBe("transport close");
  expect(dashboard.heard.map(({ event }) => event)).toContain("server_closing");
  expect(dashboard.socket.active).toBe(true);
  dashboard.close();
  await waitUntil(() => !product.isAlive);
}, 60_000);

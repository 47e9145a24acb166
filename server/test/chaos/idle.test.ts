import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { openFilesLimit } from "../../src/lib/open-files.ts";
import { holdIdle } from "./idle.ts";
import { Product } from "./product.ts";

const connections = 10_000;
const room = openFilesLimit() > connections + 1000;

/** Memory of a process, in MB. Source: proc(5). */
async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1000;
}

it.runIf(room && process.platform === "linux")(
  `${connections} idle connections keep no upload from being answered in time`,
  async () => {
    const product = await Product.create();
    try {
      await product.start();
      const [cellId] = await product.createCells(1);
      const before_MB = await memoryOf(product.pid);
      const idle = await holdIdle(Number(new URL(product.url).port), connections);
      const took_ms: number[] = [];
      for (let ts = 1; ts <= 100; ts += 1) {
        const body = JSON.stringify({ type: "lux", cellId, loggerId: 1, ts, data: { a: 1 } });
        const headers = { "content-type": "application/json" };
        const begun = performance.now();
        const { status } = await fetch(`${product.url}/api/sensor/`, {
          method: "POST",
          headers,
          body,
        });
        took_ms.push(performance.now() - begun);
        expect(status).toBe(200);
      }
      const grown_MB = (await memoryOf(product.pid)) - before_MB;
      const slowest_ms = Math.max(...took_ms);
      console.log(
        `${connections} idle connections: ${grown_MB.toFixed(0)} MB more, the slowest of 100 uploads took ${slowest_ms.toFixed(0)} ms`,
      );
      expect(slowest_ms).toBeLessThan(1000);
      expect(grown_MB).toBeLessThan(300);
      await idle.release();
      expect(product.isAlive).toBe(true);
      expect((await fetch(`${product.url}/readyz`)).status).toBe(200);
    } finally {
      await product.discard();
    }
  },
  120_000,
);

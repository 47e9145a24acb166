import { open } from "node:fs/promises";
import { useScratch } from "./scratch.ts";

const duration_ms = 1000;
const page = Buffer.alloc(8192, 1);

/** How often per second the disk makes sure of a page: no commit comes without, however many uploads share one. */
export async function syncsPerSecond(): Promise<number> {
  return await useScratch(async (directory) => {
    const file = await open(`${directory}/page`, "w");
    try {
      const start = performance.now();
      let syncs = 0;
      for (; performance.now() < start + duration_ms; syncs++) {
        await file.write(page, 0, page.length, syncs * page.length);
        await file.datasync();
      }
      return (syncs * 1000) / (performance.now() - start);
    } finally {
      await file.close();
    }
  });
}

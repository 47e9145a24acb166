import * as fc from "fast-check";
import { expect, it } from "vitest";
import { toLineParts } from "../../src/store/backup/line-parts.ts";

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of sizes) yield bytes.subarray(at, (at += size));
  yield bytes.subarray(at);
}

it("cuts rows into whole lines, and leaves each part as it is until the one after the next is asked for", async () => {
  const lines = fc.array(fc.string({ maxLength: 40 }).map((text) => text.replaceAll("\n", "")));
  const sizes = fc.array(fc.nat({ max: 60 }));
  await fc.assert(
    fc.asyncProperty(lines, sizes, fc.integer({ min: 1, max: 100 }), async (rows, cuts, size) => {
      const bytes = Buffer.from(rows.map((row) => `${row}\n`).join(""));
      const seen: Buffer[] = [];
      let last: { part: Buffer; copy: Buffer } | undefined;
      for await (const part of toLineParts(cut(bytes, cuts), size)) {
        if (last) expect(last.part.equals(last.copy)).toBe(true);
        last = { part, copy: Buffer.from(part) };
        expect(part.at(-1)).toBe("\n".charCodeAt(0));
        seen.push(last.copy);
      }
      expect(Buffer.concat(seen).equals(bytes)).toBe(true);
    }),
  );
});

import { describe, expect, it } from "vitest";
import { readAhead } from "../../src/lib/read-ahead.ts";

describe("reading ahead", () => {
  it("has one item more made than are asked for, and no two", async () => {
    const made: number[] = [];
    async function* items() {
      for (let at = 0; at < 4; at += 1) {
        made.push(at);
        yield at;
      }
    }
    const seen: [number, number][] = [];
    for await (const item of readAhead(items())) {
      await new Promise(setImmediate);
      seen.push([item, made.length]);
    }
    expect(seen).toEqual([
      [0, 2],
      [1, 3],
      [2, 4],
      [3, 4],
    ]);
  });

  it("hands on what came before an error, and then the error", async () => {
    const wrong = new Error("torn");
    async function* items() {
      yield 1;
      yield 2;
      throw wrong;
    }
    const seen: number[] = [];
    const reading = (async () => {
      for await (const item of readAhead(items())) {
        await new Promise(setImmediate);
        seen.push(item);
      }
    })();
    await expect(reading).rejects.toBe(wrong);
    expect(seen).toEqual([1, 2]);
  });

  it("ends what makes the items when nobody wants more", async () => {
    let isOver = false;
    async function* items() {
      try {
        for (let at = 0; ; at += 1) yield at;
      } finally {
        isOver = true;
      }
    }
    for await (const item of readAhead(items())) if (item === 1) break;
    expect(isOver).toBe(true);
  });
});

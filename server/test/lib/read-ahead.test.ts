import { describe, expect, it } from "vitest";
import { makeAhead, readAhead } from "../../src/lib/read-ahead.ts";

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

describe("making ahead", () => {
  it("has so many under way and no more, and hands them on in order", async () => {
    const begun: number[] = [];
    const ends = Array.from({ length: 4 }, () => Promise.withResolvers<string>());
    const make = async (item: number) => {
      begun.push(item);
      return await ends[item]!.promise;
    };
    const made = makeAhead([0, 1, 2, 3], 2, make);
    const first = made.next();
    expect(begun).toEqual([0, 1]);
    ends[1]!.resolve("b");
    ends[0]!.resolve("a");
    expect((await first).value).toBe("a");
    expect((await made.next()).value).toBe("b");
    expect(begun).toEqual([0, 1, 2]);
    ends[3]!.resolve("d");
    ends[2]!.resolve("c");
    expect((await made.next()).value).toBe("c");
    expect((await made.next()).value).toBe("d");
    expect((await made.next()).done).toBe(true);
  });

  it("hands on what came before an error, and then the error", async () => {
    const wrong = new Error("away");
    const made = makeAhead([1, 2, 3], 3, async (item) => {
      if (item === 2) throw wrong;
      return await Promise.resolve(item);
    });
    expect((await made.next()).value).toBe(1);
    await expect(made.next()).rejects.toBe(wrong);
    expect((await made.next()).done).toBe(true);
  });
});

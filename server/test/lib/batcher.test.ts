import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Batcher, QueueFull, type BatcherLimits, type Settled } from "../../src/lib/batcher.ts";
import { Late } from "../../src/lib/deadline.ts";

const roomy: BatcherLimits = {
  batch: 100,
  batchWeight: 1000,
  queueWeight: 1000,
  patience_ms: 10_000,
};

type Outcomes<Item> = readonly Settled<Item>[];

/** A batcher whose batches the test ends, each when it likes; items come back as they are. */
function manual<Item>(limits: Partial<BatcherLimits> = {}) {
  const batches: PromiseWithResolvers<Outcomes<Item>>[] = [];
  const given: (readonly Item[])[] = [];
  const batcher = new Batcher<Item, Item>(
    async (items) => {
      given.push(items);
      const batch = Promise.withResolvers<Outcomes<Item>>();
      batches.push(batch);
      return await batch.promise;
    },
    { ...roomy, ...limits },
  );
  return {
    batcher,
    given,
    end: (at: number) => batches[at]!.resolve(given[at]!.map((result) => ({ ok: true, result }))),
    fail: (at: number, error: Error) => batches[at]!.reject(error),
    /** Waits until that many batches have begun. */
    begun: async (count: number): Promise<void> => {
      while (given.length < count) await new Promise(setImmediate);
      expect(given).toHaveLength(count);
    },
  };
}

/** What has become of a promise by now. */
function watch<T>(promise: Promise<T>): { result?: T; error?: unknown } {
  const seen: { result?: T; error?: unknown } = {};
  promise.then(
    (result) => (seen.result = result),
    (error: unknown) => (seen.error = error),
  );
  return seen;
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
}

describe("a batcher", () => {
  it("takes one item at once, and what comes meanwhile as the next batch, in order", async () => {
    const { batcher, given, end, begun } = manual<string>();
    const first = batcher.submit("a", 1);
    await begun(1);
    const others = ["b", "c", "d"].map((item) => batcher.submit(item, 1));
    await turns();
    expect(given).toEqual([["a"]]);
    expect(batcher.waiting).toBe(3);
    end(0);
    expect(await first).toBe("a");
    await begun(2);
    expect(batcher.waiting).toBe(0);
    end(1);
    expect(await Promise.all(others)).toEqual(["b", "c", "d"]);
    await batcher.settle();
    expect(given).toEqual([["a"], ["b", "c", "d"]]);
  });

  it("takes what came in one turn of the event loop as one batch", async () => {
    const { batcher, given, end, begun } = manual<number>();
    const all = [1, 2, 3].map((item) => batcher.submit(item, 1));
    await begun(1);
    end(0);
    await Promise.all(all);
    expect(given).toEqual([[1, 2, 3]]);
  });

  it.each([
    ["count", { batch: 2 }, [1, 1, 1, 1, 1], [2, 2, 1]],
    ["weight", { batchWeight: 10 }, [4, 6, 1, 9, 5], [2, 2, 1]],
    [
      "weight, but for one that is too heavy by itself",
      { batchWeight: 3 },
      [9, 1, 2, 4],
      [1, 2, 1],
    ],
  ])("keeps a batch to its limit of %s", async (_, limits, weights, sizes) => {
    const { batcher, given, end, begun } = manual<number>(limits);
    const all = weights.map((weight, at) => batcher.submit(at, weight));
    for (const at of sizes.keys()) {
      await begun(at + 1);
      end(at);
    }
    expect(await Promise.all(all)).toEqual([...weights.keys()]);
    expect(given.map(({ length }) => length)).toEqual(sizes);
  });

  it("refuses at once what the queue has no room for, and has room again once it is shorter", async () => {
    const { batcher, given, end, begun } = manual<string>({ queueWeight: 10 });
    const first = batcher.submit("running", 10);
    await begun(1);
    const second = batcher.submit("waiting", 6);
    await expect(batcher.submit("too much", 5)).rejects.toThrow(QueueFull);
    const third = batcher.submit("fits", 4);
    end(0);
    await begun(2);
    const fourth = batcher.submit("later", 10);
    end(1);
    await begun(3);
    end(2);
    expect(await Promise.all([first, second, third, fourth])).toHaveLength(4);
    expect(given).toEqual([["running"], ["waiting", "fits"], ["later"]]);
  });

  it("settles each item by itself", async () => {
    const no = new Error("no");
    const batcher = new Batcher<number, number>(
      async (items) =>
        items.map((item) => (item % 2 ? { ok: false, error: no } : { ok: true, result: item })),
      roomy,
    );
    const settled = await Promise.allSettled([0, 1, 2].map((item) => batcher.submit(item, 1)));
    expect(settled).toEqual([
      { status: "fulfilled", value: 0 },
      { status: "rejected", reason: no },
      { status: "fulfilled", value: 2 },
    ]);
  });

  it("fails all items of a batch that throws, and goes on with the next", async () => {
    const { batcher, given, end, fail, begun } = manual<string>();
    const [a, b] = ["a", "b"].map((item) => watch(batcher.submit(item, 1)));
    await begun(1);
    const c = batcher.submit("c", 1);
    const error = new Error("gone");
    fail(0, error);
    await begun(2);
    end(1);
    expect(await c).toBe("c");
    expect([a, b]).toEqual([{ error }, { error }]);
    expect(given).toEqual([["a", "b"], ["c"]]);
  });

  it("fails all items when its work throws before it begins", async () => {
    const error = new Error("at once");
    const batcher = new Batcher<number, number>(() => {
      throw error;
    }, roomy);
    const settled = await Promise.allSettled([1, 2].map((item) => batcher.submit(item, 1)));
    expect(settled).toEqual([1, 2].map(() => ({ status: "rejected", reason: error })));
    await batcher.settle();
  });

  it("gives up a batch that hangs, with what has waited as long behind it, and begins the next", async () => {
    const { batcher, given, end, begun } = manual<string>({ patience_ms: 300 });
    const began_ms = performance.now();
    const stuck = batcher.submit("stuck", 1);
    const failures = [stuck.catch((error: unknown) => error)];
    await begun(1);
    const settled = watch(batcher.settle());
    expect(await failures[0]).toBeInstanceOf(Late);
    const waited_ms = performance.now() - began_ms;
    expect(waited_ms).toBeGreaterThan(290);
    const next = batcher.submit("next", 1);
    await begun(2);
    expect(settled).toEqual({});
    end(1);
    expect(await next).toBe("next");
    // What comes of the first one after all is nobody's any more.
    end(0);
    await batcher.settle();
    expect(given).toEqual([["stuck"], ["next"]]);
  });

  it("gives up what waited its patience out behind a batch that hangs, and no more than that", async () => {
    const { batcher, given, end, begun } = manual<string>({ patience_ms: 300 });
    const stuck = watch(batcher.submit("stuck", 1));
    await begun(1);
    const early = watch(batcher.submit("early", 1));
    // Nothing else goes on meanwhile, timers included.
    const until_ms = performance.now() + 310;
    while (performance.now() < until_ms);
    const fresh = batcher.submit("fresh", 1);
    await begun(2);
    end(1);
    expect(await fresh).toBe("fresh");
    const late = { error: expect.any(Late) as Late };
    expect([stuck, early]).toEqual([late, late]);
    await batcher.settle();
    expect(given).toEqual([["stuck"], ["fresh"]]);
    expect(batcher.waiting).toBe(0);
  });

  it("is settled when everything submitted is, and at once when nothing is", async () => {
    const { batcher, end, begun } = manual<string>({ batch: 1 });
    await batcher.settle();
    const results = ["a", "b"].map((item) => watch(batcher.submit(item, 1)));
    const settled = watch(batcher.settle().then(() => "settled"));
    await begun(1);
    end(0);
    await begun(2);
    await turns();
    expect(settled).toEqual({});
    end(1);
    await expect.poll(() => settled).toEqual({ result: "settled" });
    expect(results).toEqual([{ result: "a" }, { result: "b" }]);
  });

  it("runs each item once, in order, one batch at a time, whatever becomes of the batches", async () => {
    const item = fc.record({
      weight: fc.integer({ min: 1, max: 5 }),
      /** Turns of the event loop before it comes, and that its batch takes by it. */
      before: fc.nat({ max: 3 }),
      takes: fc.nat({ max: 3 }),
      fails: fc.boolean(),
    });
    const limits = fc.record({
      batch: fc.integer({ min: 1, max: 4 }),
      batchWeight: fc.integer({ min: 1, max: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(item, { maxLength: 30 }),
        limits,
        fc.boolean(),
        async (items, some, throws) => {
          const ran: number[] = [];
          let underWay = 0;
          const batcher = new Batcher<number, number>(
            async (batch) => {
              underWay += 1;
              expect(underWay).toBe(1);
              expect(batch.length).toBeLessThanOrEqual(some.batch);
              const weight = batch.reduce((sum, at) => sum + items[at]!.weight, 0);
              if (batch.length > 1) expect(weight).toBeLessThanOrEqual(some.batchWeight);
              ran.push(...batch);
              for (let turn = items[batch[0]!]!.takes; turn > 0; turn -= 1)
                await new Promise(setImmediate);
              underWay -= 1;
              if (throws && items[batch[0]!]!.fails) throw new Error("all");
              return batch.map((at) =>
                items[at]!.fails
                  ? { ok: false, error: new Error("one") }
                  : { ok: true, result: at },
              );
            },
            { ...roomy, ...some },
          );
          const told: number[] = [];
          const results: Promise<unknown>[] = [];
          for (const [at, { weight, before, fails }] of items.entries()) {
            for (let turn = before; turn > 0; turn -= 1) await new Promise(setImmediate);
            const seen = batcher.submit(at, weight).then(
              (result) => {
                expect([result, fails]).toEqual([at, false]);
                return told.push(at);
              },
              (error: Error) => {
                if (error.message !== "all") expect([error.message, fails]).toEqual(["one", true]);
                return told.push(at);
              },
            );
            results.push(seen);
          }
          await batcher.settle();
          await Promise.all(results);
          const order = [...items.keys()];
          expect(ran).toEqual(order);
          expect(told).toEqual(order);
          expect(batcher.waiting).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });
});

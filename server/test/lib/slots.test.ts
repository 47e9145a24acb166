import { describe, expect, it } from "vitest";
import { Slots } from "../../src/lib/slots.ts";

const patient = new AbortController().signal;

describe("slots", () => {
  it("let so many in at a time, and the others in their order", async () => {
    const slots = new Slots({ count: 1, mostWaiting: 2, mostWaitingEach: 1 });
    const order: string[] = [];
    await slots.take("first", patient);
    const others = ["second", "third"].map(async (who) => {
      await slots.take(who, patient);
      order.push(who);
    });
    expect(slots.isFullFor("fourth")).toBe(true);
    slots.free("first");
    await others[0];
    expect([order, slots.isFullFor("fourth")]).toEqual([["second"], false]);
    slots.free("second");
    await others[1];
    slots.free("third");
    await slots.take("first", patient);
    expect(order).toEqual(["second", "third"]);
  });

  it("keep some for others, whoever comes first and however often", async () => {
    const slots = new Slots({ count: 2, mostWaiting: 5, mostWaitingEach: 1 });
    await slots.take("greedy", patient);
    let again = false;
    const second = slots.take("greedy", patient).then(() => (again = true));
    expect([slots.isFullFor("greedy"), slots.isFullFor("other")]).toEqual([true, false]);
    await slots.take("other", patient);
    slots.free("other");
    await slots.take("third", patient);
    expect(again).toBe(false);
    slots.free("greedy");
    await second;
  });

  it("pass over who waits no more", async () => {
    const slots = new Slots({ count: 1, mostWaiting: 5, mostWaitingEach: 1 });
    await slots.take("first", patient);
    const gone = new AbortController();
    const second = slots.take("second", gone.signal);
    const third = slots.take("third", patient);
    gone.abort(new Error("gone"));
    await expect(second).rejects.toThrow("gone");
    slots.free("first");
    await third;
    await expect(slots.take("second", gone.signal)).rejects.toThrow("gone");
  });
});

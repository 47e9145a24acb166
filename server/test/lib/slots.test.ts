import { describe, expect, it } from "vitest";
import { Slots } from "../../src/lib/slots.ts";

const patient = new AbortController().signal;

describe("slots", () => {
  it("let so many in at a time, and the others in their order", async () => {
    const slots = new Slots(1, 2);
    const order: number[] = [];
    await slots.take(patient);
    const others = [1, 2].map(async (nth) => {
      await slots.take(patient);
      order.push(nth);
    });
    expect(slots.isFull).toBe(true);
    slots.free();
    await others[0];
    expect([order, slots.isFull]).toEqual([[1], false]);
    slots.free();
    await others[1];
    slots.free();
    await slots.take(patient);
    expect(order).toEqual([1, 2]);
  });

  it("pass over who waits no more", async () => {
    const slots = new Slots(1, 5);
    await slots.take(patient);
    const gone = new AbortController();
    const first = slots.take(gone.signal);
    const second = slots.take(patient);
    gone.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    slots.free();
    await second;
    await expect(slots.take(gone.signal)).rejects.toThrow("gone");
  });
});

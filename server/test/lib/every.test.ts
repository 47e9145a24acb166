import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { every } from "../../src/lib/every.ts";

describe("what is done again and again", () => {
  it("begins at once, goes on after a failure, and one turn follows the other", async () => {
    const errors: unknown[] = [];
    let [turns, running, most] = [0, 0, 0];
    const repetition = every(
      5,
      async () => {
        turns += 1;
        running += 1;
        most = Math.max(most, running);
        await setTimeout(10);
        running -= 1;
        if (turns === 1) throw new Error("first");
      },
      (error) => errors.push(error),
    );
    expect(turns).toBe(1);
    await expect.poll(() => turns).toBeGreaterThan(2);
    await repetition.stop();
    expect(errors).toEqual([new Error("first")]);
    expect([running, most]).toEqual([0, 1]);
  });

  it("is told to end, waited for, and not done again", async () => {
    let turns = 0;
    let ended = false;
    const repetition = every(
      1,
      async (signal) => {
        turns += 1;
        while (!signal.aborted) await setTimeout(1);
        await setTimeout(20);
        ended = true;
      },
      () => expect.fail(),
    );
    await repetition.stop();
    expect(ended).toBe(true);
    await setTimeout(10);
    expect(turns).toBe(1);
  });
});

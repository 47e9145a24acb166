import { describe, it } from "vitest";
import { openChance } from "../support/random.ts";
import { surviveKills, victims } from "./kills.ts";

const rounds = 30;

describe("thirty times under uploads", () => {
  it.each(victims)(
    "%s may be killed: what was acknowledged is kept",
    async (victim) => {
      await surviveKills(openChance(), Array<typeof victim>(rounds).fill(victim));
    },
    900_000,
  );

  it.each([...victims, "a process"] as const)(
    "of two processes %s may be killed: what was acknowledged is kept",
    async (victim) => {
      await surviveKills(openChance(), Array<typeof victim>(rounds).fill(victim), 2);
    },
    900_000,
  );
});

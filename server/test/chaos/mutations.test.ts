import { describe, it } from "vitest";
import { openChance } from "../support/random.ts";
import { surviveMutations } from "./mutations.ts";

describe("a million mutated bodies", () => {
  it("neither fell nor fail nor fatten the server", async () => {
    await surviveMutations(openChance(), { count: 1_000_000, growth_MB: 60 });
  }, 3_600_000);
});

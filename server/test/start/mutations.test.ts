import { describe, it } from "vitest";
import { surviveMutations } from "../chaos/mutations.ts";
import { openChance } from "../support/random.ts";

// npm run test:chaos throws a million.
describe("twenty thousand mutated bodies", () => {
  it("neither fell nor fail nor fatten the server", async () => {
    // After a fifth of so few the server's memory still finds its level.
    await surviveMutations(openChance(), { count: 20_000, growth_MB: 150 });
  }, 180_000);
});

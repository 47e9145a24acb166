import { describe, it } from "vitest";
import { surviveKills, victims } from "../chaos/kills.ts";
import { openChance } from "../support/random.ts";

// npm run test:chaos does it thirty times each.
describe("under uploads", () => {
  it("the server, the database, both may be killed: what was acknowledged is kept", async () => {
    await surviveKills(openChance(), [...victims, "both"]);
  }, 60_000);
});

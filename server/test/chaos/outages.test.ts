import { describe, it } from "vitest";
import { openChance } from "../support/random.ts";
import { surviveAbsence, surviveFreeze } from "./outages.ts";

// A node waits for a second.
const hardship = { duration_ms: 30_000, patience_ms: 1000 };

describe("half a minute without a database", () => {
  it("that is frozen: every upload is answered 200 within a second, and kept", async () => {
    await surviveFreeze(openChance(), hardship);
  }, 300_000);

  it("that is stopped: every upload is answered 200 within a second, and kept", async () => {
    await surviveAbsence(openChance(), hardship);
  }, 300_000);
});

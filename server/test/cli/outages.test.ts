import { describe, it } from "vitest";
import { surviveAbsence, surviveFreeze } from "../chaos/outages.ts";
import { openChance } from "../support/random.ts";

// npm run test:chaos does it for half a minute each.
const duration_ms = 5000;

describe.concurrent("some seconds without a database", () => {
  it("that is frozen: every upload is answered 200 within a second, and kept", async () => {
    await surviveFreeze(openChance(), duration_ms);
  }, 60_000);

  it("that is stopped: every upload is answered 200 within a second, and kept", async () => {
    await surviveAbsence(openChance(), duration_ms);
  }, 60_000);
});

import { describe, it } from "vitest";
import { surviveAbsence, surviveFreeze } from "../chaos/outages.ts";
import { openChance } from "../support/random.ts";

// npm run test:chaos does it for half a minute each, alone on the machine, and is as strict as nodes are, which wait for a second.
const hardship = { duration_ms: 5000, patience_ms: 5000 };

describe.concurrent("some seconds without a database", () => {
  it("that is frozen: every upload is answered 200 within five seconds, and kept", async () => {
    await surviveFreeze(openChance(), hardship);
  }, 120_000);

  it("that is stopped: every upload is answered 200 within five seconds, and kept", async () => {
    await surviveAbsence(openChance(), hardship);
  }, 120_000);
});

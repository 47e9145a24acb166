import { describe, it } from "vitest";
import { openChance } from "../support/random.ts";
import { surviveAbsence, surviveFreeze } from "./outages.ts";

const duration_ms = 30_000;

describe("half a minute without a database", () => {
  it("that is frozen: every upload is answered 200 within a second, and kept", async () => {
    await surviveFreeze(openChance(), duration_ms);
  }, 300_000);

  it("that is stopped: every upload is answered 200 within a second, and kept", async () => {
    await surviveAbsence(openChance(), duration_ms);
  }, 300_000);
});

import { describe, it } from "vitest";
import { openChance } from "../support/random.ts";
import { surviveSuccession } from "./succession.ts";

const rounds = 10;

describe("ten times under uploads", () => {
  it.each([1, 2])(
    "a server of %i processes is succeeded by another one at the same port",
    async (processes) => {
      for (let round = 0; round < rounds; round += 1)
        await surviveSuccession(openChance(), processes);
    },
    900_000,
  );
});

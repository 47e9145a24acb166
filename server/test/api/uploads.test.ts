import { describe, expect, it } from "vitest";
import { createCell } from "../../src/store/cells.ts";
import { useApi } from "../support/api.ts";

const api = useApi();

describe("POST /api/sensor", () => {
  it("stores a version-1 power measurement in mV, µA and µW, once", async () => {
    const cell = await createCell(api.db, { name: "v1 power", uploadPolicy: "open" });
    const hex = `0a0a080${cell.id}100118b0a094ad061212113b014d840d4fbf3f190fd6ff39cc97273f`;
    for (const _ of [1, 2]) {
      const answer = await api.postHex(hex);
      expect([answer.statusCode, answer.body]).toEqual([200, ""]);
    }
    const { v, i, p } = (await api.get(`/api/power/${cell.id}?resample=none`)).json();
    expect(v[0]).toBeCloseTo(122.3, 9);
    expect(i).toEqual([180]);
    expect(p[0]).toBeCloseTo(22.014, 9);
  });
});

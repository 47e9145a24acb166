import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";

const api = useApi();

describe("POST /api/equations/validate", () => {
  it.each(["/api/equations/validate", "/api/equations/validate/"])("%s", async (url) => {
    const body = { expression: "(2:p + 1:vwc) / 2", cell_ids: [1, 2] };
    const answer = await api.postJson(url, body);
    expect([answer.statusCode, answer.json()]).toEqual([
      200,
      { ok: true, refs: ["1:vwc", "2:p"], expression: "(2:p + 1:vwc) / 2" },
    ]);
  });

  it.each(
    [
      "1:co2 * 2",
      "1:pressure - 1013",
      "1:VWC",
      "1:Soil_Water_Potential",
      "1:humidity / 9:flow",
    ].map((expression) => ({ expression })),
  )("takes %j, of any cells where none are given", async ({ expression }) => {
    const answer = await api.postJson("/api/equations/validate", { expression });
    expect(answer.json()).toMatchObject({ ok: true, expression });
  });

  it.each([
    [{ expression: "1:vwc", cell_ids: [2] }, "Reference 1:vwc uses cell 1 which is not selected"],
    [{ expression: "1:vwc", cell_ids: [] }, "Reference 1:vwc uses cell 1 which is not selected"],
    [{ expression: "", cell_ids: [1] }, "Expression is required"],
    [{}, "Expression is required"],
  ])("answers 400 for %o, under the keys of old and new clients", async (body, message) => {
    const answer = await api.postJson("/api/equations/validate", body);
    expect(answer.statusCode).toBe(400);
    expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
    expect(answer.json()).toMatchObject({ error: message, message });
  });

  it.each([
    [{ expression: 5, cell_ids: [1] }, "expression"],
    [{ expression: "1:vwc", cell_ids: 1 }, "cell_ids"],
    [{ expression: "1:vwc", cell_ids: [1.5] }, "cell_ids.0"],
    [{ expression: "1:vwc", cell_ids: ["1"] }, "cell_ids.0"],
  ])("answers 400 for %o, and names what is wrong", async (body, key) => {
    const answer = await api.postJson("/api/equations/validate", body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().error).toContain(key);
  });
});

import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";

const api = useApi();

describe("GET /api/openapi.json", () => {
  it("is what docs/openapi.json says: `npm run openapi` writes it, and a change of the API shows in review", async () => {
    try {
      api.app.swagger();
    } catch (e) {
      console.log(e);
    }
    const document = (await api.get("/api/openapi.json")).json<object>();
    await expect(`${JSON.stringify(document, null, 2)}\n`).toMatchFileSnapshot(
      "../../../docs/openapi.json",
    );
  });
});

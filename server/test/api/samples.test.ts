import { beforeAll, describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { quarantinedBy, rowsAdded } from "../support/rows.ts";

/** The sample messages that the hardware project publishes. */
const power = "0a0a0804100718f0abe3ac051212110000000000c0a240190000000000005940";
const teros12 = "0a0618f0abe3ac051a1d111f85eb51b8a19c401933333333333341402133333333333338402802";

const api = useApi();
const at = "?resample=none&startTime=1436079600&endTime=1436079600";

beforeAll(async () => {
  // The samples come from cell 4.
  while ((await newCell(api)) < 4);
});

describe("a sample message of the hardware", () => {
  it("power: 2400 V and 100 A of cell 4 and logger 7", async () => {
    const added = await rowsAdded(api.db, async () => {
      const answer = await api.postHex(power);
      expect([answer.statusCode, answer.body]).toEqual([200, ""]);
    });
    expect(added).toEqual({ sensor: 3, reading: 3, logger_sighting: 1 });
    expect((await api.get(`/api/power/4${at}`)).json()).toEqual({
      timestamp: ["Sun, 05 Jul 2015 07:00:00 GMT"],
      v: [2.4e6],
      i: [1e8],
      p: [2.4e11],
    });
  });

  it("teros12: of cell 0, which there is not, kept whole", async () => {
    const kept = await quarantinedBy(api.db, async () => {
      const answer = await api.postHex(teros12);
      expect([answer.statusCode, answer.rawPayload.toString("hex")]).toEqual([400, "0801"]);
    });
    expect(kept).toMatchObject([{ code: "unknown_cell", body: Buffer.from(teros12, "hex") }]);
  });

  it("teros12: were it of cell 4", async () => {
    const answer = await api.postHex(teros12.replace("0a06", "0a080804"));
    expect(answer.statusCode).toBe(200);
    expect((await api.get(`/api/teros/4${at}`)).json()).toMatchObject({
      timestamp: ["Sun, 05 Jul 2015 07:00:00 GMT"],
      vwc: [34.4],
      temp: [24.2],
      ec: [2],
      raw_vwc: [1832.43],
    });
  });
});

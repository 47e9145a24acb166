import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { measurementsOf, useListening } from "../support/listen.ts";
import { readLines } from "../support/recordings.ts";

const api = useApi();
const server = useListening(api);
const loggerId = 7;
const isLast = ({ data }: { data: Record<string, unknown> }) => data["type"] === "last";

interface Recording {
  readonly name: string;
  readonly upload: string;
  readonly headers: Record<string, string>;
  readonly path: string;
  readonly status: number;
  readonly events: readonly { readonly args: readonly object[] }[];
}

describe("the recorded uploads", () => {
  it("cause the events that they caused then, and others where they were refused then", async () => {
    const cellId = await newCell(api);
    const dashboard = await server.connect();
    await dashboard.ask("subscribe_cells", { cellIds: [cellId] });
    const caused: Record<string, object[]> = {};
    for (const recording of readLines<Recording>("live.jsonl")) {
      const { name, upload, headers, path } = recording;
      const payload = upload.startsWith("{") ? upload : Buffer.from(upload, "hex");
      const start = dashboard.heard.length;
      await api.inject({ method: "POST", url: path, payload, headers });
      const ours = api.now++;
      await api.postJson("/api/sensor_json/", {
        type: "last",
        cellId,
        loggerId,
        ts: ours,
        data: { at: 1 },
      });
      await dashboard.until((all) =>
        all.some(({ data }) => isLast({ data }) && data["timestamp"] === ours),
      );
      caused[name] = measurementsOf(dashboard.heard.slice(start)).filter(
        ({ type }) => type !== "last",
      );
      if (recording.status === 200)
        expect(caused[name]).toEqual(recording.events.flatMap(({ args }) => args));
    }
    const types = Object.fromEntries(
      Object.entries(caused).map(([name, events]) => [
        name,
        events.map((one) => (one as { type: string }).type),
      ]),
    );
    expect(types).toMatchObject({
      "v1 power": ["power"],
      "v1 teros12": ["teros12"],
      "v1 bme280": ["bme280"],
      "v2 three": ["POWER_VOLTAGE", "POWER_CURRENT", "BME280_TEMP"],
      "v2 int": ["TEROS12_EC"],
      "v2 unknown cell": [],
      "json bme280": ["bme280"],
    });
  });
});

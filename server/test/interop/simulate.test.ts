import { describe, expect, inject, it } from "vitest";
import { useBackend } from "./backend.ts";
import {
  decode,
  expectRepeated,
  hours,
  iso,
  packageTypes,
  type Measurement,
  type Repeated,
} from "./client.ts";

const start = iso(hours[0]!);
const end = iso(hours.at(-1)!);

describe.skipIf(inject("pythonPrograms") === "")("ents-backend simulate", () => {
  const backend = useBackend();

  it("uploads what the ents package decodes, and reads back", async () => {
    const cell = await backend.createCell("every sensor");
    const command = [
      "simulate",
      "batch",
      "--url",
      `${backend.url}/api/sensor/`,
      "--cell",
      String(cell.id),
    ];
    const sensors = (await packageTypes()).map((type) => type.name);
    const span = ["--start", start, "--end", end, "--interval", "3600"];
    const what = ["--sensors", sensors.join(), ...span];
    const dry = await backend.run(...command, ...what, "--dry-run");
    const printed = await backend.run(...command, ...what);
    const uploads = hours.length * Math.ceil(sensors.length / 16);
    const readings = hours.length * sensors.length;
    expect(printed).toContain(`${uploads} uploads stored, with ${readings} readings`);
    expect(printed).toMatch(/^0 failed/m);
    await expectRepeated(backend.url, cell.name, await decode<Repeated>("repeated", hexes(dry)));
  });

  it("encodes every measurement of version 1 as the package decodes it", async () => {
    const command = ["simulate", "batch", "--dry-run", "--cell", "4", "--logger", "7"];
    const value = ["--function", "constant", "--min", "200", "--max", "200"];
    const once = ["--sensors", "all-v1", "--start", start, "--end", start];
    const dry = await backend.run(...command, ...value, ...once);
    const decoded = await decode<Measurement>("measurement", hexes(dry));
    for (const message of decoded)
      expect(message).toMatchObject({ cellId: 4, loggerId: 7, ts: hours[0] });
    expect(Object.fromEntries(decoded.map(({ type, data }) => [type, data]))).toEqual({
      power: { voltage: 0.2, current: 0.0002 },
      teros12: { vwcRaw: 200, vwcAdj: 200, temp: 200, ec: 200 },
      phytos31: { voltage: 200, leafWetness: 200 },
      bme280: { pressure: 2000, temperature: 20_000, humidity: 200_000 },
      teros21: { matricPot: 200, temp: 200 },
      sen0308: { voltage: 200, humidity: 200 },
      sen0257: { voltage: 200, pressure: 200 },
      yfs210c: { flow: 200 },
      pcap02: { capacitance: 200 },
      d10: { flow: 200, volumeElapsed: 200, timeElapsed: 200 },
      watermark200ss: { soilTension: 200 },
      watermark200ts: { temperature: 200 },
      edu0157: {
        windSpeed: 200,
        windDirection: 200,
        altitude: 200,
        pressure: 200,
        temperature: 200,
        humidity: 200,
      },
      waterLevel: { meters: 200, voltage: 200 },
    });
  });
});

/** The messages of a dry run. */
function hexes(dryRun: string): string[] {
  return dryRun.match(/^[0-9a-f]+$/gm)!;
}

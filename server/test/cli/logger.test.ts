import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { createLogger } from "../../src/store/loggers.ts";
import { noteSightings } from "../../src/store/sightings.ts";
import { newCell } from "../support/cells.ts";
import { useDatabase } from "../support/database.ts";
import { reading } from "../support/new-readings.ts";
import { writeReadings } from "../support/write-readings.ts";

const database = useDatabase();
const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));

async function list(...options: string[]): Promise<string> {
  const args = [program, "logger", "list", ...options];
  const env = { ...process.env, DATABASE_URL: database.url };
  return (await promisify(execFile)(process.execPath, args, { env })).stdout;
}

describe("ents-backend logger list", () => {
  it("says which nodes went silent, registered or not", async () => {
    const { db } = database;
    const cellId = await newCell({ db });
    const [well, silent] = [
      await createLogger(db, { name: "well" }),
      await createLogger(db, { name: "silent" }),
    ];
    await createLogger(db, { name: "never heard of" });
    const now = Date.now() / 1000;
    const heard = [
      { loggerId: well.id, receivedAt: now },
      { loggerId: silent.id, receivedAt: now - 7 * 3600 },
      { loggerId: 99, receivedAt: now - 8 * 3600 },
    ];
    await writeReadings(
      db,
      heard.map(({ loggerId }, ts) => reading(cellId, { loggerId, ts })),
    );
    await noteSightings(
      db,
      heard.map((one) => ({ ...one, cellId })),
    );

    const all = await list();
    expect(all).toContain("last_received_at");
    expect(all.match(/well|silent|never heard of|99:/g)).toHaveLength(4);
    const late = await list("--silent-for", "6h");
    expect(late).not.toContain("well");
    expect(late).toMatch(/silent[^]*never heard of[^]*99: cells \d+, first seen .*, last .*Z/);
    const { registered, unregistered } = JSON.parse(await list("--silent-for", "6h", "--json"));
    expect(registered).toMatchObject([
      { name: "silent", last_received_at: new Date(heard[1]!.receivedAt * 1000).toISOString() },
      { name: "never heard of", last_received_at: null },
    ]);
    expect(unregistered).toMatchObject([{ id: 99 }]);
    await expect(list("--silent-for", "soon")).rejects.toThrow("a duration: 90s, 30m, 12h or 7d");
  });
});

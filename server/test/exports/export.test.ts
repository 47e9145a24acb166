import type { ExportFormat, ExportParams } from "@ents-backend/schemas/export";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { connect } from "../../src/db/connect.ts";
import { writeExport } from "../../src/exports/export.ts";
import { describeFile } from "../../src/exports/file.ts";
import { prepareExport } from "../../src/exports/request.ts";
import { updateCell } from "../../src/store/cells.ts";
import { everything } from "../../src/store/visibility.ts";
import { silentLog } from "../support/log.ts";
import { clock, idle, start, temperature, thirds, useExports } from "../support/exports.ts";

const exports = useExports();

describe("who may have an export", () => {
  it("is who may read all its cells", async () => {
    const [open, hidden] = [await exports.newCell(), await exports.newCell()];
    await updateCell(exports.db, hidden, { visibility: "private" });
    const nobody = { userId: undefined, admin: false };
    const ask = async (cells: number[]) =>
      await prepareExport(exports.db, nobody, { cells, format: "csv" });
    expect((await ask([open, open])).cells.map(({ id }) => id)).toEqual([open]);
    await expect(ask([open, hidden])).rejects.toMatchObject({ code: "cell_not_found" });
    await expect(ask([2 ** 31 - 1])).rejects.toMatchObject({ kind: "not_found" });
  });

  it.each([
    [{ start: "soon" }, "invalid_time"],
    [{ tz: "Atlantis" }, "unknown_zone"],
    [{ sensors: ["VOLTAGE"] }, "unknown_sensor"],
  ])("is nobody who asks for %j", async (params, code) => {
    const cells = [await exports.newCell()];
    await expect(
      prepareExport(exports.db, everything, { cells, format: "csv", ...params }),
    ).rejects.toMatchObject({ code });
  });
});

describe("while an export is written", () => {
  const formats: ExportFormat[] = ["csv", "csv-tidy", "parquet", "datapackage"];

  it.each(formats)(
    "%s: what is stored meanwhile isn't in it, and it says how far it is",
    async (format) => {
      const cell = await exports.newCell();
      await exports.store(cell, temperature, thirds(start, 1, 45_000));
      const fractions: number[] = [];
      const report = (fraction: number) => void fractions.push(fraction);
      const asked = { cells: [cell], format };
      const query = await prepareExport(exports.db, everything, asked);
      let [pieces, bytes] = [0, 0];
      for await (const piece of writeExport({ db: exports.db, clock }, query, {
        ...idle,
        report,
      })) {
        if (pieces === 0) await exports.store(cell, temperature, thirds(start + 50_000, 1, 5_000));
        pieces += 1;
        bytes += piece.length;
      }
      expect(fractions.at(-1)).toBe(1);
      expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
      expect((await exports.write(asked)).length).toBeGreaterThan(bytes);
    },
  );

  it.each(formats)("%s: giving up leaves no transaction open", async (format) => {
    const cell = await exports.newCell();
    await exports.store(cell, temperature, thirds(start, 0.1, 45_000));
    const only = connect(exports.url, silentLog, { connections: 1, statementTimeout_ms: 0 });
    const query = await prepareExport(only, everything, { cells: [cell], format });
    for (const way of ["leaves", "aborts"]) {
      const stop = new AbortController();
      const work = { ...idle, signal: stop.signal };
      const reading = (async () => {
        for await (const _ of writeExport({ db: only, clock }, query, work)) {
          if (way === "leaves") break;
          stop.abort(new Error("enough"));
        }
      })();
      if (way === "leaves") await reading;
      else await expect(reading).rejects.toThrow("enough");
      const { rows } = await sql`select current_setting('transaction_isolation') as level`.execute(
        only,
      );
      expect(rows).toEqual([{ level: "read committed" }]);
    }
    await only.destroy();
  });
});

it("names the file by what is in it", async () => {
  const [one, other] = [await exports.newCell(), await exports.newCell()];
  expect(await fileOf({ cells: [one], format: "csv-tidy" })).toEqual({
    name: `cell-${one}-readings-tidy.csv`,
    mediaType: "text/csv; charset=utf-8",
  });
  expect(await fileOf({ cells: [one, other], format: "parquet", resample: "6 hours" })).toEqual({
    name: "2-cells-means-by-6-hours.parquet",
    mediaType: "application/vnd.apache.parquet",
  });
});

async function fileOf(params: ExportParams) {
  return describeFile(await prepareExport(exports.db, everything, params));
}

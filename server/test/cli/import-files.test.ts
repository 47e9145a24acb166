import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCell } from "../../src/store/cells.ts";
import { useDatabase } from "../support/database.ts";
import { zipOf } from "../support/files.ts";
import { rowsAdded } from "../support/rows.ts";

const database = useDatabase();
const program = fileURLToPath(new URL("../../bin/ents-backend.js", import.meta.url));
/** A busy machine takes seconds to begin a process. */
const patience_ms = 120_000;
let directory: string;
let cellId: number;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "ents-import-files-"));
  ({ id: cellId } = await createCell(database.db, { name: "Plot 7", uploadPolicy: "open" }));
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

const card = (name: string, rows: readonly string[]) =>
  `unix_time (s),cell_id,logger_id,${name}\n${rows.join("\n")}`;

describe("ents-backend import", () => {
  it(
    "says what would happen, then does it, and the second time nothing",
    async () => {
      const rows = [`1700000000,${cellId},3,4294966996`, `1700000600,${cellId},3,21`, "x", "170"];
      const zip = await zipOf("card.zip", {
        "a/BME280_TEMP.csv": card("BME280_TEMP", rows),
        "a.txt": "x",
      });
      await writeFile(join(directory, "card.zip"), await zip.slice(0, zip.size));
      let dry = "";
      const seen = await rowsAdded(database.db, async () => {
        dry = (await run(["card.zip", "--dry-run"])).stdout;
      });
      expect(seen).toEqual({});
      expect(dry).toMatch(/BME280_TEMP.csv: sd-card, 4 rows/);
      expect(dry).toMatch(/rows {6}4, of which 2 bad\n.*2 new, 0 repeated, 0 conflicting/);
      expect(dry).toMatch(/left out of zip files:\n {2}card.zip\/a.txt: it is no file of/);
      expect(dry).toMatch(/line 4: "x" is not[^]*line 5: "170" is not/);
      expect(dry).toMatch(/gaps that would be filled \(1\)[^]*this was a dry run/);

      const done = await run(["card.zip", "--json"]);
      expect(JSON.parse(done.stdout)).toMatchObject({
        finished: true,
        readings: { new: 2, repeated: 0, conflicting: 0 },
        gaps: { filled: 1 },
      });
      const again = await run(["card.zip"]);
      expect(again.stdout).toMatch(/0 new, 2 repeated[^]*Nothing new.* 2 bad rows did NOT go in/);
      expect(again).toMatchObject({ code: 0, stderr: "" });
    },
    patience_ms,
  );

  it(
    "takes a mapping from a file or as it stands, and the cell by its name",
    async () => {
      const mapping =
        '{"time": {"column": "Date"}, "values": [{"column": "T", "sensor": "TEROS12_TEMP"}]}';
      await writeFile(join(directory, "t.csv"), "Date,T\n2023-07-01,1.5\n");
      await writeFile(join(directory, "map.json"), mapping);
      const place = ["t.csv", "--cell", "plot 7", "--json", "--map"];
      const first = await run([...place, mapping]);
      expect(JSON.parse(first.stdout)).toMatchObject({
        readings: { new: 1 },
        cells: [{ id: cellId }],
      });
      const second = await run([...place, "map.json"]);
      expect(JSON.parse(second.stdout)).toMatchObject({ readings: { new: 0, repeated: 1 } });
    },
    patience_ms,
  );

  it(
    "explains in one sentence what it can't import, and stores nothing",
    async () => {
      await writeFile(join(directory, "elsewhere.csv"), card("BME280_TEMP", ["1,987,3,1", ""]));
      await writeFile(join(directory, "u.csv"), "a,b\n1,2\n");
      const cases = [
        [["elsewhere.csv"], /nothing was imported.*cell 987: there is no such cell/],
        [["u.csv"], /u.csv is no file of measurements that is known here.*"a,b"/],
        [["none.csv"], /there is no file none.csv/],
        [["u.csv", "--as", "parquet"], /u.csv can't be read as Parquet/],
        [["u.csv", "--map", "{"], /the mapping is not right: it is no JSON/],
      ] as const;
      const added = await rowsAdded(database.db, async () => {
        for (const [args, message] of cases) {
          const { code, stdout, stderr } = await run(args);
          expect([code, stdout]).toEqual([1, ""]);
          expect(stderr).toMatch(message);
          expect(stderr).not.toMatch(/^\s+at /m);
        }
      });
      expect(added).toEqual({});
    },
    patience_ms,
  );
});

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[]): Promise<Finished> {
  const options = { cwd: directory, env: { ...process.env, DATABASE_URL: database.url } };
  return await new Promise((resolve) => {
    execFile(process.execPath, [program, "import", ...args], options, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}

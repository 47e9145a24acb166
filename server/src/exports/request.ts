import type { ExportParams } from "@ents-backend/schemas/export";
import type { Db } from "../db/connect.ts";
import { defineError } from "../lib/errors.ts";
import { endOfTime } from "../lib/time.ts";
import { readTime } from "../lib/time-parameter.ts";
import { findCells, type Cell } from "../store/cells.ts";
import { listVisible, type Reader } from "../store/visibility.ts";
import { listNamed, type NamedSensor } from "../timeseries/named.ts";
import type { Query } from "../timeseries/resolve.ts";
import { isZone, unknownZone } from "../timeseries/zone.ts";

const noSuchCell = defineError(
  "not_found",
  "cell_not_found",
  "Cell {id} not found: it doesn't exist, or isn't yours to read",
);

/** An export that may be made: whoever asked for it may read all that it is of. */
export interface ExportQuery {
  /** As it was asked for. */
  readonly params: ExportParams;
  /** In the order asked, each once. */
  readonly cells: readonly Cell[];
  /** In the order of the cells, and then in the order asked. */
  readonly sensors: readonly ExportSensor[];
  readonly query: Query;
}

/** A sensor with the cell that it is of. */
export interface ExportSensor extends NamedSensor {
  readonly cell: Cell;
}

/**
 * Finds what an export is of, and whether the reader may have it. To be asked again whenever the export is made:
 * rights change.
 *
 * @throws KnownError: 404 for a cell that there isn't or that isn't theirs to read; 400 for what can't be read, or is
 * too much
 */
export async function prepareExport(
  db: Db,
  reader: Reader,
  params: ExportParams,
): Promise<ExportQuery> {
  const query = toQuery(params);
  const cells = await getReadable(db, reader, [...new Set(params.cells)]);
  const byId = new Map(cells.map((cell) => [cell.id, cell]));
  const named = await listNamed(db, [...byId.keys()], params.sensors);
  const sensors = named.map((sensor) => ({ ...sensor, cell: byId.get(sensor.cell_id)! }));
  return { params, cells, sensors, query };
}

function toQuery({ start, end, resample = "none", tz = "UTC" }: ExportParams): Query {
  if (!isZone(tz)) throw unknownZone();
  const range = {
    start: readTime(["start", start]) ?? 0,
    end: readTime(["end", end]) ?? endOfTime,
  };
  return { range, resample, tz, points: Infinity, envelope: false, timestamps: "iso" };
}

async function getReadable(db: Db, reader: Reader, ids: readonly number[]): Promise<Cell[]> {
  const possible = ids.filter((id) => id < 2 ** 31);
  const visible = new Set(await listVisible(db, reader, possible));
  const hidden = ids.find((id) => !visible.has(id));
  if (hidden !== undefined) throw noSuchCell({ id: hidden });
  const cells = new Map((await findCells(db, ids, [])).map((cell) => [cell.id, cell]));
  return ids.map((id) => {
    const cell = cells.get(id);
    if (!cell) throw noSuchCell({ id });
    return cell;
  });
}

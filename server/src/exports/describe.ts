import type { ExportDescription } from "@ents-backend/schemas/export-columns";
import { formatIso } from "../lib/time.ts";
import { hasNothing, type Table } from "./table.ts";
import { nameColumns } from "./wide.ts";

/** What an export says of itself. */
export function describeExport(table: Table): ExportDescription {
  const { query, created, sensors, range } = table;
  const { resample = "none", tz = "UTC" } = query.params;
  const columns = nameColumns(sensors);
  const isEmpty = hasNothing(table);
  return {
    version: 1,
    created: formatIso(created),
    query: {
      start: isEmpty ? null : formatIso(range.start),
      end: isEmpty ? null : formatIso(range.end),
      resample,
      tz,
    },
    cells: query.cells.map(({ id, name, location, latitude, longitude }) => ({
      cell_id: id,
      cell: name,
      location,
      latitude,
      longitude,
    })),
    sensors: sensors.map(({ cell_id, name, measurement, unit, data_type }, at) => ({
      cell_id,
      sensor: name,
      measurement,
      unit,
      data_type,
      column: columns[at]!,
    })),
  };
}

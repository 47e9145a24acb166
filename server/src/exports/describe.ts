import type { ExportDescription } from "@ents-backend/schemas/export-columns";
import { formatIso } from "../lib/time.ts";
import { hasNothing, type Table } from "./table.ts";
import { nameColumn } from "./wide.ts";

/** What an export says of itself. */
export function describeExport(table: Table): ExportDescription {
  const { query, created, sensors, range } = table;
  const { resample = "none", tz = "UTC" } = query.params;
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
    sensors: sensors.map((sensor) => ({
      cell_id: sensor.cell_id,
      sensor: sensor.name,
      measurement: sensor.measurement,
      unit: sensor.unit,
      data_type: sensor.data_type,
      column: nameColumn(sensor, query.params),
    })),
  };
}

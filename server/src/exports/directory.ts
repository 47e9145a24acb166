import { numberField, textField, toLine } from "./csv.ts";
import type { Table } from "./table.ts";

/** The cells of an export as lines of CSV. */
export function cellLines({ query: { cells } }: Table): string[] {
  return [
    toLine(["cell_id", "cell", "location", "latitude", "longitude"]),
    ...cells.map(({ id, name, location, latitude, longitude }) =>
      toLine([
        String(id),
        textField(name),
        textField(location ?? ""),
        numberField(latitude ?? NaN),
        numberField(longitude ?? NaN),
      ]),
    ),
  ];
}

/** The sensors of an export as lines of CSV. */
export function sensorLines({ sensors }: Table): string[] {
  return [
    toLine(["cell_id", "sensor", "measurement", "unit", "data_type"]),
    ...sensors.map(({ cell_id, name, measurement, unit, data_type }) =>
      toLine([String(cell_id), ...[name, measurement, unit, data_type].map(textField)]),
    ),
  ];
}

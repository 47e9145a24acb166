import { describeExport } from "./describe.ts";
import { describeFile } from "./file.ts";
import { titleOf } from "./package-readme.ts";
import type { Table } from "./table.ts";
import { columnsOf } from "./tidy.ts";

/** How long a file is, and its checksum as a Data Package writes it: `sha256:…`. */
export interface ResourceSize {
  readonly bytes: number;
  readonly hash: string;
}

interface Field {
  readonly type: string;
  readonly description: string;
  /** Whether it is never empty. */
  readonly required?: boolean;
}

const instant = "UTC";
const fields: Readonly<Record<string, Field>> = {
  timestamp: {
    type: "datetime",
    description: `${instant}; of a mean, the start of what it is of`,
    required: true,
  },
  cell_id: { type: "integer", description: "number of the cell", required: true },
  cell: { type: "string", description: "name of the cell", required: true },
  sensor: { type: "string", description: "name of the sensor", required: true },
  measurement: { type: "string", description: "what it measures", required: true },
  value: { type: "number", description: "in `unit`; empty: the sensor sent no number" },
  unit: { type: "string", description: "unit of the value" },
  received_at: {
    type: "datetime",
    description: `${instant}; when the reading arrived at the server`,
    required: true,
  },
  logger_id: { type: "integer", description: "number of the logger that sent it, where known" },
  location: { type: "string", description: "where the cell is, in words" },
  latitude: { type: "number", description: "degrees north, WGS 84" },
  longitude: { type: "number", description: "degrees east, WGS 84" },
  data_type: { type: "string", description: "int: whole numbers only; float", required: true },
};

const ofCell = { fields: ["cell_id"], reference: { resource: "cells", fields: ["cell_id"] } };
const sensorKey = ["cell_id", "sensor", "measurement"];
const ofSensor = { fields: sensorKey, reference: { resource: "sensors", fields: sensorKey } };

/** The text of `datapackage.json`. @param sizes of the files, by their paths */
export function describePackage(table: Table, sizes: ReadonlyMap<string, ResourceSize>): string {
  const { query, created } = table;
  const resource = (name: string, columns: readonly string[], keys: object) => {
    const path = `data/${name}.csv`;
    return describeResource(name, path, { ...sizes.get(path)!, columns, keys });
  };
  const { licence } = query.params;
  const description = {
    $schema: "https://datapackage.org/profiles/2.0/datapackage.json",
    name: describeFile(query).name.replace(/\.zip$/, ""),
    title: titleOf(table),
    created: new Date(created * 1000).toISOString(),
    ...(licence !== undefined && { licenses: [{ name: licence }] }),
    resources: [
      resource("readings", columnsOf(table), {
        primaryKey: ["timestamp", ...sensorKey],
        foreignKeys: [ofCell, ofSensor],
      }),
      resource("sensors", [...sensorKey, "unit", "data_type"], {
        primaryKey: sensorKey,
        foreignKeys: [ofCell],
      }),
      resource("cells", ["cell_id", "cell", "location", "latitude", "longitude"], {
        primaryKey: ["cell_id"],
      }),
    ],
    export: describeExport(table),
  };
  return `${JSON.stringify(description, undefined, 2)}\n`;
}

function describeResource(
  name: string,
  path: string,
  {
    columns,
    keys,
    ...size
  }: ResourceSize & { readonly columns: readonly string[]; readonly keys: object },
): object {
  return {
    name,
    path,
    type: "table",
    format: "csv",
    mediatype: "text/csv",
    encoding: "utf-8",
    ...size,
    schema: {
      $schema: "https://datapackage.org/profiles/2.0/tableschema.json",
      fields: columns.map(describeField),
      missingValues: [""],
      ...keys,
    },
  };
}

function describeField(name: string): object {
  const { type, description, required } = fields[name]!;
  return { name, type, description, ...(required && { constraints: { required } }) };
}

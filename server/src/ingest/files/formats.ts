import { sdCard } from "./sd-card.ts";
import { exportCsv } from "./export-csv.ts";
import { mappedCsv } from "./mapped-csv.ts";
import { parquet } from "./parquet.ts";
import { rocketLogger } from "./rocketlogger-file.ts";
import type { ImportFormat } from "@ents-backend/schemas/import";
import type { FileFormat, Head } from "./format.ts";

/** Every kind of file that can be imported. A new one is a new file, a name, and a row here. */
const formats: readonly FileFormat[] = [sdCard, rocketLogger, exportCsv, parquet, mappedCsv];
const byName = new Map(formats.map((format) => [format.name, format]));

/** The format with this name; every name has one. */
export function getFormat(name: ImportFormat): FileFormat {
  return byName.get(name)!;
}

/** What a file is that begins so, if that is known. */
export function recognise(head: Head): FileFormat | undefined {
  return formats.find((format) => format.recognises(head));
}

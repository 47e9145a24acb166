import type { ExportFormat } from "@ents-backend/schemas/export";
import type { ExportQuery } from "./request.ts";

const csv = "text/csv; charset=utf-8";
const kinds: Readonly<
  Record<ExportFormat, { readonly ending: string; readonly mediaType: string }>
> = {
  csv: { ending: ".csv", mediaType: csv },
  "csv-tidy": { ending: "-tidy.csv", mediaType: csv },
  parquet: { ending: ".parquet", mediaType: "application/vnd.apache.parquet" },
  datapackage: { ending: ".zip", mediaType: "application/zip" },
};

/** What the file of an export is called, in letters that every system takes, and its media type. */
export function describeFile({ cells, params }: ExportQuery): { name: string; mediaType: string } {
  const { resample = "none", format } = params;
  const { ending, mediaType } = kinds[format];
  const whose = cells.length === 1 ? `cell-${cells[0]!.id}` : `${cells.length}-cells`;
  const what = resample === "none" ? "readings" : `means-by-${resample.replace(" ", "-")}`;
  return { name: `${whose}-${what}${ending}`, mediaType };
}

import type { ImportSummary } from "../ingest/files/rocketlogger-import.ts";
import type { VwcDecision } from "../ingest/files/vwc-unit.ts";
import { formatIso } from "../lib/time.ts";

/** A file that was imported, and where to. */
export interface Imported {
  readonly file: string;
  readonly cell: Named;
  readonly logger: Named;
  readonly summary: ImportSummary;
}

interface Named {
  readonly id: number;
  readonly name: string;
}

/** What became of a file, for people. */
export function describeImport({ file, cell, logger, summary }: Imported): string {
  const lines = [
    `${file} → cell ${cell.id} (${cell.name}), logger ${logger.id} (${logger.name})`,
    "",
    ...table([
      ["rows", describeRows(summary)],
      ["readings", describeReadings(summary)],
      ["time span", describeSpan(summary)],
      ["VWC unit", describeVwc(summary.vwc)],
      ["columns ignored", summary.ignoredColumns.join(", ")],
    ]),
    "",
    describeOutcome(summary),
  ];
  return lines.join("\n");
}

/** What became of a file, for programs. */
export function importToJson({ file, cell, logger, summary }: Imported): string {
  const { rows, badRows, stored, repeated, conflicting, earliest, latest, vwc } = summary;
  const document = {
    file,
    cell: { id: cell.id, name: cell.name },
    logger: { id: logger.id, name: logger.name },
    finished: summary.finished,
    lines: summary.lines,
    rows,
    bad_rows: badRows,
    readings: { new: stored, repeated, conflicting },
    earliest: earliest === null ? null : formatIso(earliest),
    latest: latest === null ? null : formatIso(latest),
    vwc_unit: vwc?.unit ?? null,
    vwc_unit_because: vwc ? explainVwc(vwc) : null,
    ignored_columns: summary.ignoredColumns,
  };
  return JSON.stringify(document, null, 2);
}

function describeRows({ rows, badRows }: ImportSummary): string {
  return badRows === 0 ? count(rows) : `${count(rows)}, of which ${count(badRows)} bad`;
}

function describeReadings({ stored, repeated, conflicting }: ImportSummary): string {
  const parts = [
    `${count(stored)} new`,
    `${count(repeated)} repeated`,
    `${count(conflicting)} conflicting`,
  ];
  const why = conflicting > 0 ? " (what was stored first stays, the others are kept aside)" : "";
  return parts.join(", ") + why;
}

function describeSpan({ earliest, latest }: ImportSummary): string {
  return earliest === null || latest === null
    ? ""
    : `${formatIso(earliest)} to ${formatIso(latest)}`;
}

function describeVwc(vwc: VwcDecision | undefined): string {
  if (!vwc) return "";
  const stored = vwc.unit === "fraction" ? ", stored × 100 as percent" : "";
  return `${vwc.unit}${stored}: ${explainVwc(vwc)}`;
}

function explainVwc(vwc: VwcDecision): string {
  if (vwc.because === "told") return "given by --vwc-unit";
  if (vwc.because === "set") return "the logger is set to send it so";
  if (vwc.because === "value_over_1")
    return `line ${vwc.line} has ${vwc.value}, which is no fraction`;
  return vwc.positiveValues === 0
    ? "no value is positive (if that is wrong, say --vwc-unit percent)"
    : `no value is over 1 (positive ones: ${count(vwc.positiveValues)})`;
}

function describeOutcome({ finished, lines, badRows, ...summary }: ImportSummary): string {
  if (!finished)
    return `Interrupted after line ${count(lines)}: up to there it is stored. Run the same command again to go on.`;
  const rest =
    badRows > 0 ? ` ${count(badRows)} bad rows did NOT go in: see the messages above.` : "";
  return describeNews(summary) + rest;
}

function describeNews({
  stored,
  repeated,
  conflicting,
}: Pick<ImportSummary, "stored" | "repeated" | "conflicting">): string {
  if (stored > 0) return "Done.";
  if (repeated + conflicting === 0) return "There was nothing to import.";
  return conflicting > 0
    ? "Nothing new: there was a reading for every instant already."
    : "Nothing new: it was all there already.";
}

/** Lines of a name and a text, without those that have no text. */
function table(rows: readonly (readonly [name: string, text: string])[]): string[] {
  const filled = rows.filter(([, text]) => text !== "");
  const width = Math.max(...filled.map(([name]) => name.length));
  return filled.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
}

function count(value: number): string {
  return value.toLocaleString("en");
}

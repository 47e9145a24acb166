import type { ImportReport } from "@ents-backend/schemas/import";
import { count } from "../lib/count.ts";

const mostListed = 20;

/** What became of files, or would, for people. */
export function describeReport(
  report: ImportReport,
  { dryRun = false }: { readonly dryRun?: boolean | undefined },
): string {
  const sections = [
    listFiles(report),
    listSums(report),
    listed("sensors", report.sensors.map(describeSensor)),
    listed("cells", report.cells.map(describeCell)),
    listed("loggers", report.loggers.map(describeLogger)),
    listed(
      "left out of zip files",
      report.skipped.map(({ name, reason }) => `${name}: ${reason}`),
    ),
    listWrong(report),
    listed("warnings", report.warnings),
    listGaps(report, dryRun),
    [describeOutcome(report, dryRun)],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

function listFiles({ files }: ImportReport): string[] {
  const lines = files.map(({ name, format, rows, vwc_unit, vwc_unit_because, ignored_columns }) => {
    const vwc = vwc_unit ? `, VWC in ${vwc_unit}: ${vwc_unit_because}` : "";
    const ignored = ignored_columns.length > 0 ? `, not read: ${ignored_columns.join(", ")}` : "";
    return `${name}: ${format}, ${count(rows, "row")}${vwc}${ignored}`;
  });
  return shorten(lines);
}

function listSums({ rows, bad_rows, readings, earliest, latest }: ImportReport): string[] {
  const bad = bad_rows > 0 ? `, of which ${count(bad_rows)} bad` : "";
  const { repeated, conflicting } = readings;
  const why = conflicting > 0 ? " (what was stored first stays, the others are kept aside)" : "";
  const sums = [
    `  rows      ${count(rows)}${bad}`,
    `  readings  ${count(readings.new)} new, ${count(repeated)} repeated, ${count(conflicting)} conflicting${why}`,
  ];
  return earliest === null ? sums : [...sums, `  time      ${earliest} to ${latest}`];
}

function describeSensor(sensor: ImportReport["sensors"][number]): string {
  const { cell_id, name, measurement, unit, readings, earliest, latest } = sensor;
  return `cell ${cell_id}  ${name} ${measurement} [${unit}]  ${count(readings)}  ${earliest} to ${latest}`;
}

function describeCell({ id, name, readings, problem }: ImportReport["cells"][number]): string {
  return `${id}${name === null ? "" : ` (${name})`}  ${count(readings, "reading")}${problem ? `: ${problem}` : ""}`;
}

function describeLogger({ id, name, readings }: ImportReport["loggers"][number]): string {
  const logger = id === null ? "none" : `${id}${name === null ? "" : ` (${name})`}`;
  return `${logger}  ${count(readings, "reading")}`;
}

function listWrong({ wrong, bad_rows }: ImportReport): string[] {
  const lines = wrong.map(({ file, line, reason }) => `${file} line ${line}: ${reason}`);
  const more = bad_rows - wrong.length;
  return listed("bad rows", more > 0 ? [...lines, `… and ${count(more)} more`] : lines);
}

function listGaps({ gaps: { filled, longest } }: ImportReport, dryRun: boolean): string[] {
  const lines = longest.map(({ cell_id, name, measurement, from, to, readings }) => {
    return `cell ${cell_id}  ${name} ${measurement}  ${from} to ${to}  ${count(readings, "reading")}`;
  });
  return listed(`gaps ${dryRun ? "that would be filled" : "filled"} (${count(filled)})`, lines);
}

/** Whether there are rows, and none of them could be read. */
export function isVain({ rows, bad_rows }: Pick<ImportReport, "rows" | "bad_rows">): boolean {
  return rows > 0 && bad_rows === rows;
}

function describeOutcome(
  { finished, cells, readings, rows, bad_rows }: ImportReport,
  dryRun: boolean,
) {
  if (!finished)
    return dryRun
      ? "Interrupted: nothing was stored."
      : "Interrupted: what is counted as new is stored. Run the same command again to go on.";
  if (cells.some(({ problem }) => problem !== null))
    return "This can't be imported as it is: see the cells above.";
  if (isVain({ rows, bad_rows }))
    return "No row of it could be read: see why above. Nothing was stored.";
  if (dryRun) return "Nothing was stored: this was a dry run.";
  const rest =
    bad_rows > 0 ? ` ${count(bad_rows)} bad ${bad_rows === 1 ? "row" : "rows"} did NOT go in.` : "";
  return (
    (readings.new > 0 ? "Done." : "Nothing new: there was a reading for every instant.") + rest
  );
}

function listed(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  return [`${title}:`, ...shorten(lines).map((line) => `  ${line}`)];
}

function shorten(lines: readonly string[]): string[] {
  if (lines.length <= mostListed + 1) return [...lines];
  return [...lines.slice(0, mostListed), `… and ${count(lines.length - mostListed)} more`];
}

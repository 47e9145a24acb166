import type { ImportReport } from "@ents-backend/schemas/import";
import type { Db } from "../../db/connect.ts";
import { count } from "../../lib/count.ts";
import { formatIso } from "../../lib/time.ts";
import { findLoggers } from "../../store/loggers.ts";
import type { CheckedCell } from "./cells.ts";
import type { Passed } from "./pass.ts";
import type { Plan } from "./plan.ts";
import type { Survey, SurveyedFile, SurveyedSensor } from "./survey.ts";
import type { DeviceVwcDecision } from "./vwc-unit.ts";

/** What is told of an import, or of its preview. */
export async function reportImport(
  db: Db,
  plan: Plan,
  survey: Survey,
  cells: readonly CheckedCell[],
  passed: Passed,
  gaps: ImportReport["gaps"],
): Promise<ImportReport> {
  const { rows, badRows: bad_rows } = survey;
  const { finished, stored, repeated, conflicting } = passed;
  return {
    finished,
    files: survey.files.map(describeFile),
    skipped: [...plan.skipped],
    rows,
    bad_rows,
    wrong: survey.wrong.map((row) => ({ ...row })),
    readings: { new: stored, repeated, conflicting },
    cells: cells.map(({ id, name, problem }) => {
      const readings = survey.cells.get(id) ?? 0;
      return { id, name: name ?? null, readings, problem: problem ?? null };
    }),
    loggers: await describeLoggers(db, survey),
    sensors: survey.sensors.map(describeSensor),
    ...describeSpan(survey.sensors),
    warnings: listWarnings(survey),
    gaps,
  };
}

function describeFile({ file, format, rows, badRows, vwc, ignored }: SurveyedFile) {
  return {
    name: file.name,
    format: format.name,
    bytes: file.size,
    rows,
    bad_rows: badRows,
    vwc_unit: vwc?.unit ?? null,
    vwc_unit_because: vwc ? explainVwc(vwc) : null,
    ignored_columns: [...ignored],
  };
}

function describeSensor({ cellId, stream, readings, earliest, latest }: SurveyedSensor) {
  const { name, measurement, unit } = stream;
  const span = { earliest: formatIso(earliest), latest: formatIso(latest) };
  return { cell_id: cellId, name, measurement, unit, readings, ...span };
}

function describeSpan(sensors: readonly SurveyedSensor[]) {
  let [earliest, latest] = [Infinity, -Infinity];
  for (const sensor of sensors) {
    earliest = Math.min(earliest, sensor.earliest);
    latest = Math.max(latest, sensor.latest);
  }
  if (sensors.length === 0) return { earliest: null, latest: null };
  return { earliest: formatIso(earliest), latest: formatIso(latest) };
}

async function describeLoggers(db: Db, { loggers }: Survey): Promise<ImportReport["loggers"]> {
  const ids = [...loggers.keys()].filter((id) => id !== null);
  const names = new Map((await findLoggers(db, ids, [])).map(({ id, name }) => [id, name]));
  return [...loggers].map(([id, readings]) => {
    return { id, name: id === null ? null : (names.get(id) ?? null), readings };
  });
}

function explainVwc(vwc: DeviceVwcDecision): string {
  if (vwc.because === "told") return "it was told";
  if (vwc.because === "set") return "the logger is set to send it so";
  if (vwc.because === "both_kinds") return "values of both kinds, each of which tells for itself";
  if (vwc.because === "value_over_1")
    return `line ${vwc.line} has ${vwc.value}, which is no fraction`;
  return `no value is over 1 (${vwc.positiveValues} are positive)`;
}

function listWarnings({ files, early, late }: Survey): string[] {
  const clocks = [
    early > 0 &&
      `${count(early, "reading")} from before 2010: the node's clock was not set. They are kept with that time`,
    late > 0 &&
      `${count(late, "reading")} from the future: the node's clock was wrong. They are kept with that time`,
  ];
  return [...clocks.filter((text) => text !== false), ...files.flatMap(warnOfVwc)];
}

/** The firmware changed from fractions to percent: a file may go over the day when it was changed. */
function warnOfVwc({ file, vwc, vwcMixture }: SurveyedFile): string[] {
  if (!vwcMixture || !vwc || vwc.because === "told") return [];
  const { below, positive } = vwcMixture;
  const small = `${below} of ${positive} positive values are 1 at most`;
  const large = `${positive - below} of ${positive} positive values are over 1`;
  const apart = "import them apart and say so";
  const warnings = {
    percent: `VWC is taken for percent, but ${small}: if those are fractions, ${apart}`,
    fraction: `VWC is taken for a fraction, but ${large}: if those are percent, ${apart}`,
    each: `${small}, and taken for fractions of VWC, as uploads of them are: if all are percent, say so`,
  };
  return [`${file.name}: ${warnings[vwc.unit]}`];
}

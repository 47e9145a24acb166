import { streamNames } from "@ents-backend/schemas/stream-name";
import { count } from "../lib/count.ts";
import type { Check } from "../ingest/legacy/check-cell.ts";
import type { Forecast, MovedCell, MoveInReport } from "../ingest/legacy/move-in.ts";
import type { VwcDecision } from "../ingest/legacy/vwc-rule.ts";
import type { Kind } from "../store/legacy/here.ts";
import type { OldChecksum } from "../store/legacy/old-readings.ts";
import type { Leaving } from "../store/legacy/survey.ts";
import { formatTable } from "./table.ts";

/** Whether every reading of the old backend is the same here. */
export function agrees({ cells }: Pick<MoveInReport, "cells">): boolean {
  return cells.every(({ checks }) => checks.every(isSame));
}

/** What came over, for people. */
export function describeMove(report: MoveInReport): string {
  const { cells, leavings, brought, finished } = report;
  return [
    describeBrought(brought),
    ...describeLeavings(leavings),
    ...describeVwc(cells),
    "",
    cells.length > 0
      ? formatTable(cells.flatMap(checkRows), checkColumns)
      : "No cell has come over.",
    "",
    ...describeNews(cells),
    finished
      ? describeVerdict(report)
      : "Interrupted: what came over is kept. Run the same command again to go on.",
  ].join("\n");
}

/** What came over, for programs. */
export function moveToJson(report: MoveInReport): string {
  const { finished, brought, leavings, cells } = report;
  return print({
    finished,
    agrees: finished && agrees(report),
    made: brought.made,
    known: brought.known,
    shares: brought.shares,
    left_out: leavings,
    cells: cells.map(({ id, name, vwc, written, checks }) => ({
      id,
      name,
      vwc_unit: vwc?.rule ?? null,
      readings: {
        new: written.stored,
        repeated: written.repeated,
        conflicting: written.conflicting,
      },
      streams: checks.map((check) => ({
        stream: streamNames(check.stream)[0]!,
        old: { ...countsOf(check.old), checksum: hex(check.old.checksum) },
        here: { readings: check.here.readings, checksum: hex(check.here.checksum) },
        missing: check.compared?.missing ?? 0,
        differing: check.compared?.differing ?? 0,
        agrees: isSame(check),
      })),
    })),
  });
}

/** What would come over, for people. */
export function describeForecast({ collisions, directory, leavings, cells }: Forecast): string {
  const { users, loggers, tags } = directory;
  const rows = cells.flatMap(({ id, name, pending, streams }) =>
    streams.map(({ stream, old }, at) => ({
      cell: at === 0 ? `${id} (${name})` : "",
      stream: streamNames(stream)[0]!,
      rows: count(old.readings),
      instants: count(old.instants),
      pending: at === 0 ? count(pending) : "",
    })),
  );
  const pending = cells.reduce((sum, cell) => sum + cell.pending, 0);
  return [
    `There are ${count(users.length, "user")}, ${count(cells.length, "cell")}, ${count(loggers.length, "logger")} and ${count(tags.length, "tag")}; ${count(pending, "reading")} would come.`,
    ...describeLeavings(leavings),
    ...describeVwc(cells),
    "",
    formatTable(rows, ["cell", "stream", "rows", "instants", "pending"]),
    "",
    ...(collisions.length > 0
      ? ["Nothing can come over, since this is in the way:", ...collisions.map((one) => `  ${one}`)]
      : ["Nothing is in the way. Nothing was changed."]),
  ].join("\n");
}

/** What would come over, for programs. */
export function forecastToJson({ collisions, directory, leavings, cells }: Forecast): string {
  const { users, loggers, tags } = directory;
  return print({
    collisions,
    users: users.length,
    loggers: loggers.length,
    tags: tags.length,
    left_out: leavings,
    cells: cells.map(({ id, name, vwc, pending, streams }) => ({
      id,
      name,
      vwc_unit: vwc?.rule ?? null,
      pending,
      streams: streams.map(({ stream, old }) => ({
        stream: streamNames(stream)[0]!,
        old: { ...countsOf(old), checksum: hex(old.checksum) },
      })),
    })),
  });
}

function describeBrought({ made, known, shares }: MoveInReport["brought"]): string {
  const kinds: readonly Kind[] = ["user", "cell", "logger", "tag"];
  const parts = kinds.map((kind) => {
    const before = known[kind] > 0 ? ` (${count(known[kind])} known)` : "";
    return `${count(made[kind], kind)}${before}`;
  });
  return `Made ${parts.join(", ")}; ${count(shares, "editor")}.`;
}

const mostVwcShown = 100;

function describeVwc(cells: readonly Pick<MovedCell, "id" | "vwc">[]): string[] {
  const decided = cells.flatMap(({ id, vwc }) => (vwc ? [`  cell ${id}: ${explainVwc(vwc)}`] : []));
  if (decided.length === 0) return [];
  return [
    "",
    "VWC, which is stored in percent, stands there as",
    ...shorten(decided, mostVwcShown),
  ];
}

function explainVwc({ rule, because, values }: VwcDecision): string {
  const names = {
    fraction: "fractions, × 100",
    percent: "percent",
    each: "both, so that each value tells for itself: 0 to 1 is a fraction, × 100",
  };
  const upTo = `${count(values.upToOne, "value")} from 0 to 1, ${count(values.overOne)} over 1`;
  const why = { told: "given by --vwc-unit", decided_before: "as before", values: upTo }[because];
  return `${names[rule]} (${why})`;
}

const mostLeavingsShown = 100;

function describeLeavings(leavings: readonly Leaving[]): string[] {
  if (leavings.length === 0) return ["Nothing is left out."];
  const lines = leavings.map(({ table, reason, of, rows, first, last }) => {
    const whose = of === null ? "" : ` (${of})`;
    const where =
      last === 0 ? "" : first === last ? `, number ${first}` : `, numbers ${first} to ${last}`;
    return `  ${table}${whose}: ${count(rows, "row")}${where}: ${reason}`;
  });
  return ["", "Left out, or not as it was:", ...shorten(lines, mostLeavingsShown)];
}

const checkColumns = [
  "cell",
  "stream",
  "rows",
  "instants",
  "checksum",
  "here",
  "its checksum",
  "verdict",
] as const;

function checkRows({
  id,
  name,
  checks,
}: MovedCell): Record<(typeof checkColumns)[number], string>[] {
  return checks.map((check, at) => ({
    cell: at === 0 ? `${id} (${name})` : "",
    stream: streamNames(check.stream)[0]!,
    rows: count(check.old.readings),
    instants: count(check.old.instants),
    checksum: hex(check.old.checksum) ?? "-",
    here: count(check.here.readings),
    "its checksum": hex(check.here.checksum) ?? "-",
    verdict: describeCheck(check),
  }));
}

function describeCheck({ old, here, compared }: Check): string {
  if (!compared) return "same";
  const { missing, differing } = compared;
  const more = here.readings - (old.instants - missing);
  const parts = [
    missing > 0 && `${count(missing)} MISSING`,
    differing > 0 && `${count(differing)} had another value here, theirs are kept as conflicts`,
    more > 0 && `${count(more)} more here`,
  ].filter((part) => part !== false);
  return missing + differing > 0 ? parts.join(", ") : `same, and ${parts.join(", ")}`;
}

function isSame({ compared }: Check): boolean {
  return !compared || compared.missing + compared.differing === 0;
}

function describeNews(cells: readonly MovedCell[]): string[] {
  const total = (key: "stored" | "repeated" | "conflicting"): number =>
    cells.reduce((sum, { written }) => sum + written[key], 0);
  const [stored, repeated, conflicting] = [
    total("stored"),
    total("repeated"),
    total("conflicting"),
  ];
  const why = conflicting > 0 ? " (what came first stays, the others are kept as conflicts)" : "";
  return [
    `${count(stored, "reading")} came, ${count(repeated)} doubled or here, ${count(conflicting)} conflicting${why}.`,
  ];
}

function describeVerdict(report: MoveInReport): string {
  return agrees(report)
    ? "Every reading of the old backend is the same here."
    : "Not every reading of the old backend is the same here: see the verdicts above.";
}

function countsOf({ readings, instants }: OldChecksum) {
  return { readings, instants, doubled: readings - instants };
}

/** A sum of 64-bit hashes as 16 digits. */
function hex(sum: string | null): string | null {
  return sum === null ? null : BigInt.asUintN(64, BigInt(sum)).toString(16).padStart(16, "0");
}

function shorten(lines: readonly string[], most: number): string[] {
  if (lines.length <= most) return [...lines];
  return [...lines.slice(0, most), `  … and ${lines.length - most} more; --json has them all`];
}

function print(document: object): string {
  return JSON.stringify(document, null, 2);
}

import { cpus, totalmem } from "node:os";
import { formatTarget, isMet, round, type Line } from "./line.ts";

/** What the figures hold for. */
export interface Occasion {
  readonly date: Date;
  readonly postgres: string;
  readonly rows: number;
  readonly quick: boolean;
  /** Of the disk, per second. */
  readonly syncs: number;
}

const heads = ["section", "what", "here", "compared with", "ratio", "target", ""];

/** All results as one table in Markdown. */
export function formatReport(lines: readonly Line[], occasion: Occasion): string {
  const rows = lines.map((line) => cells(line));
  const table = [heads, heads.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`);
  return `# Benchmark results\n\n${describe(occasion)}\n\n${table.join("\n")}\n`;
}

/** A line as it is told while the others are still measured. */
export function formatLine(line: Line): string {
  const [section, what, ours, reference, ratio, target, verdict] = cells(line);
  const parts = [
    `${section}: ${what}: ${ours}`,
    reference && `against ${reference}`,
    ratio && `ratio ${ratio}`,
    target && `target ${target}: ${verdict}`,
  ];
  return parts.filter(Boolean).join(", ");
}

function cells(line: Line): string[] {
  const { section, what, ours, reference, ratio, target } = line;
  const met = isMet(line);
  return [
    section,
    what,
    ours,
    reference ?? "",
    ratio === undefined ? "" : round(ratio),
    target ? formatTarget(target) : "",
    met === undefined ? "" : met ? "met" : "**missed**",
  ];
}

function describe({ date, postgres, rows, quick, syncs }: Occasion): string {
  const processors = cpus();
  const memory_GB = Math.round(totalmem() / 2 ** 30);
  const facts = [
    date.toISOString().slice(0, 10),
    `${processors.length} cores (${processors[0]?.model.trim()}), ${memory_GB} GB of memory, a disk that syncs ${round(syncs)} times per second`,
    `Node.js ${process.versions.node}, PostgreSQL ${postgres}`,
    `${rows.toLocaleString("en")} rows in \`scale\``,
  ];
  const warning = quick ? " With `--quick`: short rounds and few rows, to see that it runs." : "";
  return `${facts.join("; ")}. Load, server and database share the machine: the ratios count.${warning}`;
}

import { count } from "../lib/count.ts";
import { formatIso } from "../lib/time.ts";
import { hasNothing, type Table } from "./table.ts";

/** What an export is of, in a few words. */
export function titleOf({ isRaw, query: { cells, params } }: Table): string {
  const what = isRaw ? "Readings" : `Means by ${params.resample ?? "hour"}`;
  const [only] = cells;
  return `${what} of ${cells.length === 1 && only ? only.name : count(cells.length, "cell")}`;
}

/** The text of a package's README.md, for who has the package and nothing else. */
export function explainPackage(table: Table): string {
  return [
    `# ${titleOf(table)}`,
    whenAndWhere(table),
    files,
    `## The values\n\n${table.isRaw ? readings : means(table)}`,
    licenceOf(table),
  ]
    .map((paragraph) => `${paragraph}\n`)
    .join("\n");
}

function whenAndWhere(table: Table): string {
  const { created, range, sensors, query } = table;
  const made = `Exported on ${formatIso(created)} from an ENTS backend`;
  const what = `${count(query.cells.length, "cell")}, ${count(sensors.length, "sensor")}`;
  if (hasNothing(table)) return `${made}: ${what}, and no reading in the time asked for.`;
  return `${made}: ${what}, from ${formatIso(range.start)} to ${formatIso(range.end)}.`;
}

const files = `| file | what it is |
| --- | --- |
| data/readings.csv | the values, a row each, in the order of time |
| data/sensors.csv | the sensors that they are of, and their units |
| data/cells.csv | the cells that those are in, and where they are |
| datapackage.json | the same for programs: columns and types, checksums, what was asked for (datapackage.org) |

A cell is a place whose measurements belong together: a microbial fuel cell, a plot, a pot. Files are CSV (RFC 4180) in
UTF-8; lines end in LF, times are UTC (ISO 8601), a field without a value is empty. A text that a spreadsheet would take
for a formula has an apostrophe before it.`;

const readings = `Each row is one reading, in the unit that stands beside it, whatever unit its sensor sent it in; water content
that came as a fraction, as it was set or looked, is in percent. \`timestamp\` is the sensor's clock, \`received_at\` the
server's when the reading arrived. Where \`value\` is empty, the sensor said that it had
none. POWER is voltage times current of the same instant, and is computed.`;

function means({ query: { params } }: Table): string {
  return `Each row is the mean of all readings of one ${params.resample}, stamped with its start (${params.tz ?? "UTC"}). Where
\`value\` is empty, there were readings, but none with a value. The mean of POWER is that of voltage times current, not the
product of their means.`;
}

function licenceOf({ query: { params } }: Table): string {
  const { licence } = params;
  const said =
    licence === undefined
      ? "Who made this package has stated none: ask those who made the measurements before you publish with them."
      : licence;
  return `## Licence\n\n${said}`;
}

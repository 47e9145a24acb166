// npm run bench: measures what the product promises, against what it is compared with, in the same run.

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { syncsPerSecond } from "./disk.ts";
import { readOptions, type Options } from "./options.ts";
import { formatLine, formatReport } from "./report.ts";
import type { Line } from "./line.ts";
import { backlog } from "./sections/backlog.ts";
import { backup } from "./sections/backup.ts";
import { exports } from "./sections/exports.ts";
import { fileImport } from "./sections/import.ts";
import { latency } from "./sections/latency.ts";
import { legacy } from "./sections/legacy.ts";
import { live } from "./sections/live.ts";
import { reads } from "./sections/reads.ts";
import { scale } from "./sections/scale.ts";
import type { Section } from "./sections/section.ts";
import { uploads } from "./sections/uploads.ts";
import { postgresVersion } from "./postgres-version.ts";

const sections: Readonly<Record<string, Section>> = {
  uploads,
  latency,
  live,
  backlog,
  reads,
  exports,
  import: fileImport,
  legacy,
  scale,
  backup,
};

const help = `npm run bench -- [SECTION …] [OPTION …]

Sections: ${Object.keys(sections).join(", ")}; all of them where none is named.

  --rows N        how many rows scale grows to (50000000), and exports, backup and legacy have at most (20000000)
  --quick         short rounds and 2000000 rows, to see that it runs: its figures mean little
  --output FILE   write the table there; a whole run that isn't quick writes bench/RESULTS.md
  --help

bench/README.md says what each line means.`;

const results = fileURLToPath(new URL("RESULTS.md", import.meta.url));
const start = performance.now();

try {
  const options = readOptions(process.argv.slice(2), Object.keys(sections));
  if (options.help) console.log(help);
  else await run(options);
} catch (error) {
  console.error(error);
  process.exit(1);
}

async function run(options: Options): Promise<void> {
  const date = new Date();
  const syncs = await syncsPerSecond();
  const whole = options.sections.length === 0;
  const lines: Line[] = [];
  for (const name of whole ? Object.keys(sections) : options.sections) {
    note(`${name} …`);
    const measured = await sections[name]!({ ...options, note });
    for (const line of measured) note(formatLine(line));
    lines.push(...measured);
  }
  const report = formatReport(lines, {
    ...options,
    date,
    syncs,
    postgres: await postgresVersion(),
  });
  console.log(report);
  const output = options.output ?? (whole && !options.quick ? results : undefined);
  if (output !== undefined) await writeFile(output, report);
}

/** Progress goes to standard error, the table to standard output. */
function note(text: string): void {
  const seconds = Math.round((performance.now() - start) / 1000);
  console.error(`${String(seconds).padStart(5)} s  ${text}`);
}

import { withBackend, type Backend } from "../backend.ts";
import { round, type Line } from "../line.ts";
import { freshInstants } from "../load/instants.ts";
import { runLoad } from "../load/start.ts";
import { median } from "../measure.ts";
import type { Section, Settings } from "./section.ts";
import { connections, uploadFlatOut } from "./uploads.ts";

/** How long an upload takes at half of the rate that the server reaches, from the moment when it was due. */
export const latency: Section = async (settings) =>
  await withBackend(async (backend) => await measure(backend, settings));

async function measure(backend: Backend, { quick, note }: Settings): Promise<Line[]> {
  const cells = await backend.createCells(connections);
  const fullRate = await findRate(backend, cells, quick ? 2 : 5);
  const rate = Math.round(fullRate / 2);
  note(`  ${round(fullRate)}/s flat out; now ${rate}/s`);
  const { latency_ms, failures } = await runLoad({
    port: backend.port,
    connections,
    rate,
    duration_s: quick ? 5 : 30,
    source: { kind: "live", cells, firstTs: freshInstants() },
  });
  const what = (share: string) => `${share} at ${round(rate)}/s, half of the full rate`;
  return [
    { section: "latency", what: what("p50"), ours: `${round(latency_ms.p50)} ms` },
    within("latency", what("p99"), latency_ms.p99, { bound: "at most", figure: 20 }),
    within("latency", what("p99.9"), latency_ms.p999, { bound: "at most", figure: 200 }),
    { section: "latency", what: "the longest", ours: `${round(latency_ms.most)} ms` },
    { section: "latency", what: "answers other than 200", ours: describeFailures(failures) },
  ];
}

/** The first run lets the server compile its code. */
async function findRate(
  { port }: Backend,
  cells: readonly number[],
  seconds: number,
): Promise<number> {
  const rates: number[] = [];
  for (const _ of ["warm up", 1, 2, 3]) {
    const { uploads, seconds: taken } = await uploadFlatOut(port, cells, seconds);
    rates.push(uploads / taken);
  }
  return median(rates.slice(1));
}

/** A line of a time that has a bound. */
export function within(
  section: string,
  what: string,
  measured_ms: number,
  target: { readonly bound: "at most" | "below"; readonly figure: number },
): Line {
  return {
    section,
    what,
    ours: `${round(measured_ms)} ms`,
    target: { ...target, measured: measured_ms, unit: "ms" },
  };
}

export function describeFailures(failures: Readonly<Record<string, number>>): string {
  const told = Object.entries(failures).map(([reason, count]) => `${count} × ${reason}`);
  return told.join(", ") || "0";
}

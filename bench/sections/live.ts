import { setTimeout as sleep } from "node:timers/promises";
import { withBackend, type Backend } from "../backend.ts";
import { cpuTimeOfAll } from "../cpu.ts";
import { round, type Line } from "../line.ts";
import type { LiveResult } from "../live/process.ts";
import { startListeners } from "../live/start.ts";
import { freshInstants } from "../load/instants.ts";
import { runLoad } from "../load/start.ts";
import { within } from "./latency.ts";
import type { Section, Settings } from "./section.ts";

const section = "live";
const listeners = 5000;
const readingsPerSecond = 20;
/** Of other nodes, meanwhile. */
const uploadsPerSecond = 200;

/** How soon the last of many who listen to one cell is told of a reading, and what that costs uploads. */
export const live: Section = async (settings) =>
  await withBackend(async (backend) => await measure(backend, settings), { oneProcess: false });

async function measure(backend: Backend, { quick, note }: Settings): Promise<Line[]> {
  const [cell, ...others] = await backend.createCells(17);
  const duration_s = quick ? 5 : 20;
  const load = async () =>
    await runLoad({
      port: backend.port,
      connections: others.length,
      rate: uploadsPerSecond,
      duration_s,
      source: { kind: "live", cells: others, firstTs: freshInstants() },
    });
  await load();
  const alone = await load();
  note(`  nobody listens: p99 ${round(alone.latency_ms.p99)} ms`);
  const stop = await startListeners({ port: backend.port, cell: cell!, listeners });
  note(`  ${listeners} listen`);
  const before_s = await cpuTimeOfAll(backend.pid);
  const [sent, beside] = await Promise.all([upload(backend, cell!, duration_s), load()]);
  const cpu_s = (await cpuTimeOfAll(backend.pid)) - before_s;
  await sleep(2000);
  const result = await stop();
  return [
    ...toLines(sent, result, alone.latency_ms.p99, beside.latency_ms.p99),
    {
      section,
      what: "processor time of server and database, uploads included",
      ours: `${round((1000 * cpu_s) / sent.size)} ms for each reading that all are told`,
    },
  ];
}

/** Uploads the cell's readings, each by itself. @returns when each was sent, by its instant */
async function upload(
  { port }: Backend,
  cell: number,
  duration_s: number,
): Promise<ReadonlyMap<number, number>> {
  const sent = new Map<number, number>();
  const first = freshInstants();
  const start = performance.now();
  for (let nth = 0; nth < duration_s * readingsPerSecond; nth += 1) {
    await sleep(Math.max(0, start + (nth * 1000) / readingsPerSecond - performance.now()));
    const ts = first + nth;
    sent.set(ts, performance.timeOrigin + performance.now());
    await fetch(`http://127.0.0.1:${port}/api/sensor_json/`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ type: "yfs210c", cellId: cell, loggerId: 1, ts, data: { flow: 1 } }),
    });
  }
  return sent;
}

function toLines(
  sent: ReadonlyMap<number, number>,
  { served, cpu_s }: LiveResult,
  alone_ms: number,
  beside_ms: number,
): Line[] {
  const whole = served.filter((one) => one.listeners === listeners);
  const waits = whole.map(({ ts, lastAt_ms }) => lastAt_ms - sent.get(ts)!).sort((a, b) => a - b);
  const at = (share: number) => waits[Math.max(0, Math.ceil(share * waits.length) - 1)] ?? NaN;
  const what = `of ${listeners}, the last is told, ${readingsPerSecond}/s`;
  return [
    { section, what: `${what}: p50`, ours: `${round(at(0.5))} ms` },
    within(section, `${what}: p99`, at(0.99), { bound: "at most", figure: 250 }),
    { section, what: "readings that all were told", ours: `${whole.length} of ${sent.size}` },
    { section, what: "processor time of the listeners", ours: `${round(cpu_s)} s` },
    {
      section,
      what: `uploads' p99 at ${uploadsPerSecond}/s beside them`,
      ours: `${round(beside_ms)} ms`,
      reference: `nobody listens ${round(alone_ms)} ms`,
      ratio: beside_ms / alone_ms,
    },
  ];
}

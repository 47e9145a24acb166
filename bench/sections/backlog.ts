import { withBackend, type Backend } from "../backend.ts";
import { round, type Line } from "../line.ts";
import { freshInstants } from "../load/instants.ts";
import { readingsPerMessage } from "../load/source.ts";
import { runLoad, startLoad } from "../load/start.ts";
import { residentSize } from "../rss.ts";
import { describeFailures, within } from "./latency.ts";
import type { Section, Settings } from "./section.ts";

const section = "backlog";
const readings = 345_600;

/** A node's month offline, uploaded at once, while other nodes go on. */
export const backlog: Section = async (settings) =>
  await withBackend(async (backend) => [
    ...(await measure(backend, settings, false)),
    ...(await measure(backend, settings, true)),
    {
      section,
      what: "the server's memory afterwards",
      ours: `${round(await residentSize(backend.pid))} MB`,
    },
  ]);

async function measure(
  { port, createCells }: Backend,
  { quick, note }: Settings,
  shuffled: boolean,
): Promise<Line[]> {
  const messages = readings / readingsPerMessage / (quick ? 10 : 1);
  const order = shuffled ? "in random order" : "newest first";
  note(`  ${round(messages)} messages, ${order}`);
  const [cell, ...others] = await createCells(9);
  const live = startLoad({
    port,
    connections: 8,
    rate: 50,
    source: { kind: "live", cells: others, firstTs: freshInstants() },
  });
  const firstTs = freshInstants();
  const { seconds, uploads, failures } = await runLoad({
    port,
    connections: 4,
    source: { kind: "backlog", cell: cell!, firstTs, messages, shuffled },
  });
  const meanwhile = await live.stop();
  const count = round(uploads * readingsPerMessage);
  return [
    {
      section,
      what: `${count} readings, ${order}, over 4 connections`,
      ours: `${round(seconds)} s`,
      target: { bound: "below", figure: 60, measured: seconds, unit: "s" },
    },
    within(section, `p99 of 8 other nodes meanwhile, 50/s`, meanwhile.latency_ms.p99, {
      bound: "below",
      figure: 50,
    }),
    {
      section,
      what: "answers other than 200",
      ours: describeFailures({ ...failures, ...meanwhile.failures }),
    },
  ];
}

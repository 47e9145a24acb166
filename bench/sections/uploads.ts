import { withBackend, type Backend } from "../backend.ts";
import { round, type Line } from "../line.ts";
import { freshInstants } from "../load/instants.ts";
import type { LoadResult } from "../load/load.ts";
import { runLoad } from "../load/start.ts";
import { alternate } from "../measure.ts";
import { withReference } from "../references/start.ts";
import { residentSize } from "../rss.ts";
import type { Section, Settings } from "./section.ts";

export const connections = 64;
const section = "uploads";

/** Durable uploads per second, against the framework alone and against a transaction for each. */
export const uploads: Section = async (settings) =>
  await withBackend(
    async (backend) =>
      await withReference("bare", "", async (bare) =>
        withReference("one-transaction", backend.databaseUrl, async (naive) =>
          measure(backend, { bare, naive }, settings),
        ),
      ),
  );

async function measure(
  backend: Backend,
  ports: { readonly bare: number; readonly naive: number },
  { quick, note }: Settings,
): Promise<Line[]> {
  const [many, one] = [await backend.createCells(connections), await backend.createCells(1)];
  const seconds = quick ? 2 : 5;
  const failures = new Map<string, number>();
  const rate = async (name: string, port: number, cells: readonly number[]) => {
    const result = await uploadFlatOut(port, cells, seconds);
    for (const [reason, count] of Object.entries(result.failures))
      failures.set(`${name}: ${reason}`, count + (failures.get(`${name}: ${reason}`) ?? 0));
    const uploadsPerSecond = result.uploads / result.seconds;
    note(`  ${name}: ${round(uploadsPerSecond)}/s`);
    return uploadsPerSecond;
  };
  const sides = {
    bare: () => rate("bare", ports.bare, one),
    many: () => rate("64 cells", backend.port, many),
    one: () => rate("one cell", backend.port, one),
    naive: () => rate("a transaction each", ports.naive, many),
  };
  // Makes the sensors that the reference only looks up, and lets all of them compile their code.
  await sides.many();
  await alternate(1, sides);
  const rates = await alternate(quick ? 2 : 5, sides);
  const failed = [...failures].map(([reason, count]) => `${count} × ${reason}`).join(", ");
  return [
    ...toLines(rates),
    { section, what: "answers other than 200", ours: failed || "0" },
    {
      section,
      what: "the server's memory afterwards",
      ours: `${round(await residentSize(backend.pid))} MB`,
    },
  ];
}

function toLines(rates: Record<"bare" | "many" | "one" | "naive", number>): Line[] {
  const share = { bound: "at least", figure: 0.4 } as const;
  const many = line("64 nodes, a cell each", rates.many, "bare Fastify", rates.bare);
  const one = line("64 nodes, one cell", rates.one, "bare Fastify", rates.bare);
  return [
    { ...many, target: { ...share, measured: many.ratio! } },
    { ...one, target: { ...share, measured: one.ratio! } },
    line("64 nodes, a cell each", rates.many, "a transaction each", rates.naive),
  ];
}

function line(what: string, ours: number, name: string, reference: number): Line {
  return {
    section,
    what,
    ours: `${round(ours)}/s`,
    reference: `${name} ${round(reference)}/s`,
    ratio: ours / reference,
  };
}

/** Uploads over all connections, each as fast as it is answered. */
export async function uploadFlatOut(
  port: number,
  cells: readonly number[],
  seconds: number,
): Promise<LoadResult> {
  return await runLoad({
    port,
    connections,
    duration_s: seconds,
    source: { kind: "live", cells, firstTs: freshInstants() },
  });
}

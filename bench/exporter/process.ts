// An export in a process of its own, as a worker makes it: what comes out is counted and thrown away.

import type { ExportParams } from "@ents-backend/schemas/export";
import { sql } from "kysely";
import { giveWayToOthers } from "../../server/src/cli/priority.ts";
import { boundYoungGeneration } from "../../server/src/cli/young-generation.ts";
import { connect } from "../../server/src/db/connect.ts";
import { writeExport } from "../../server/src/exports/export.ts";
import { prepareExport } from "../../server/src/exports/request.ts";
import { systemClock } from "../../server/src/lib/clock.ts";
import { everything } from "../../server/src/store/visibility.ts";
import { cpuTime } from "../cpu.ts";
import { silentLog } from "../silent-log.ts";
import type { Exported } from "./start.ts";

// As a worker that the server has begun.
boundYoungGeneration();
await giveWayToOthers();

const db = connect(process.argv[2]!, silentLog, { connections: 1, statementTimeout_ms: 60_000 });
const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
const [{ pid: backend }] = rows as [{ pid: number }];

process.on("message", (params: ExportParams) => void run(params));
process.send!("ready");

async function run(params: ExportParams): Promise<void> {
  const query = await prepareExport(db, everything, params);
  const work = { signal: new AbortController().signal, report: () => undefined };
  const before_s = await cpuTimes();
  const start = performance.now();
  let bytes = 0;
  for await (const piece of writeExport({ db, clock: systemClock }, query, work))
    bytes += piece.length;
  const seconds = (performance.now() - start) / 1000;
  process.send!({ bytes, seconds, cpu_s: (await cpuTimes()) - before_s } satisfies Exported);
}

/** What this process and its connection's have taken of the processors. */
async function cpuTimes(): Promise<number> {
  return (await cpuTime(process.pid)) + (await cpuTime(backend));
}

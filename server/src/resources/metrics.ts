import { timingSafeEqual } from "node:crypto";
import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Metrics } from "../metrics.ts";
import type { Db } from "../db/connect.ts";
import { isLoopback } from "../lib/addresses.ts";
import { defineError } from "../lib/errors.ts";
import { hashSecret } from "../lib/secret.ts";
import { countTasks } from "../store/tasks.ts";
import type { ServerSettings } from "../http/deps.ts";
import type { ReadyzDeps } from "../http/deps.ts";

interface MetricsDeps extends ReadyzDeps {
  readonly db: Db;
  readonly metrics: Metrics;
  readonly settings: Pick<ServerSettings, "metricsToken">;
}

const metricsClosed = defineError(
  "forbidden",
  "metrics_closed",
  "Metrics are for this machine alone: set METRICS_TOKEN to read them from elsewhere",
);
const metricsTokenNeeded = defineError(
  "unauthenticated",
  "metrics_token_needed",
  "Metrics need the header Authorization: Bearer, with what METRICS_TOKEN is",
);

/** `GET /metrics`: counters and gauges, for Prometheus. */
export const metrics: FastifyPluginAsyncTypebox<{ deps: MetricsDeps }> = async (app, { deps }) => {
  const { db, probe, journal, bell } = deps;
  deps.metrics.beforeReading(async () => {
    deps.metrics.databaseUp.set((await probe.isUp()) ? 1 : 0);
  });
  deps.metrics.beforeReading(() => {
    const { records, bytes } = journal?.depth() ?? { records: 0, bytes: 0 };
    deps.metrics.journalUploads.set(records);
    deps.metrics.journalBytes.set(bytes);
    deps.metrics.journalWritable.set(journal?.isWritable() === false ? 0 : 1);
    deps.metrics.journalAsideBytes.set(journal?.aside().bytes ?? 0);
  });
  deps.metrics.beforeReading(async () => {
    deps.metrics.queueUp.set(bell.isUp() ? 1 : 0);
    if (!(await probe.isUp())) return;
    const counts = await countTasks(db);
    deps.metrics.tasks.reset();
    for (const { kind, state, count } of counts) deps.metrics.tasks.set({ kind, state }, count);
  });
  app.get(
    "/metrics",
    {
      schema: {
        operationId: "getMetrics",
        summary: "Counters and gauges, for Prometheus",
        problems: ["unauthenticated", "forbidden"],
        produces: ["text/plain"],
        response: { 200: Type.String({ examples: ['up{process="1"} 1\n'] }) },
      },
      config: { anyone: true },
    },
    async (request, reply) => {
      checkReader(request, deps.settings.metricsToken);
      return reply.type(deps.metrics.contentType).send(await deps.metrics.read());
    },
  );
};

/** @throws KnownError for who may not read the metrics */
function checkReader(request: FastifyRequest, token: string | undefined): void {
  if (token === undefined && !isFromHere(request)) throw metricsClosed();
  if (token !== undefined && !shows(request, token)) throw metricsTokenNeeded();
}

/** Whether a request comes from this machine itself, and from no proxy on it that speaks for others. */
function isFromHere({ socket, headers }: FastifyRequest): boolean {
  const forwarded = ["forwarded", "x-forwarded-for", "x-real-ip"].some((name) => name in headers);
  return !forwarded && isLoopback(socket.remoteAddress);
}

function shows({ headers: { authorization = "" } }: FastifyRequest, token: string): boolean {
  const shown = /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? "";
  return timingSafeEqual(hashSecret(shown), hashSecret(token));
}

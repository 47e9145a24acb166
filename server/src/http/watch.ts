import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { redactPath } from "../auth/keys.ts";
import type { Metrics } from "../metrics.ts";
import { isForNode } from "./problem.ts";

interface WatchDeps {
  readonly logger: FastifyBaseLogger;
  readonly metrics: Pick<Metrics, "httpSeconds" | "httpInFlight" | "beforeReading">;
}

const slow_ms = 1000;

/**
 * Watches every request from its arrival until its answer is out or its connection closed: how many there are, how long
 * they take by route (uploads have counters of their own), and a line in the log of those that were slow or failed, of
 * all where it is verbose.
 */
export function watchRequests(app: FastifyInstance, { logger, metrics }: WatchDeps): void {
  const isVerbose = ["debug", "trace"].includes(logger.level);
  let inFlight = 0;
  metrics.beforeReading(() => metrics.httpInFlight.set(inFlight));
  app.addHook("onRequest", (request, reply, done) => {
    const begun_ms = performance.now();
    inFlight += 1;
    if (!isForNode(request)) reply.header("X-Request-Id", request.id);
    reply.raw.on("close", () => {
      inFlight -= 1;
      const took_ms = performance.now() - begun_ms;
      if (!request.routeOptions.config.door) observe(metrics, request, reply, took_ms);
      const isNotable = took_ms > slow_ms || reply.statusCode >= 500;
      // Who stays connected keeps their latest request until the next one, and needn't keep what it held.
      request.body = undefined;
      if (isNotable) logger.info(describe(request, reply, took_ms), "request");
      else if (isVerbose) logger.debug(describe(request, reply, took_ms), "request");
    });
    done();
  });
}

/** By the route's own words, which are few: what stands in a URL's place is whatever people send. */
function observe(
  { httpSeconds }: WatchDeps["metrics"],
  { method, routeOptions }: FastifyRequest,
  reply: FastifyReply,
  took_ms: number,
): void {
  const { url: route = "none" } = routeOptions;
  httpSeconds.observe({ method, route, status: outcomeOf(reply) }, took_ms / 1000);
}

/** The class of its status, or that it didn't come to its end. */
function outcomeOf({ raw, statusCode }: FastifyReply): string {
  return raw.writableEnded ? `${Math.floor(statusCode / 100)}xx` : "broken";
}

function describe(request: FastifyRequest, reply: FastifyReply, took_ms: number): object {
  return {
    request_id: request.id,
    address: request.ip,
    method: request.method,
    path: redactPath(request.url),
    route: request.routeOptions.url,
    status: reply.statusCode,
    whole: reply.raw.writableEnded,
    took_ms: Math.round(took_ms),
  };
}

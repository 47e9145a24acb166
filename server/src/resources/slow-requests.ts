import { Socket } from "node:net";
import type { FastifyInstance, FastifyRequest } from "fastify";

/** How long a large file may take to arrive. */
export const longestArrival_ms = 3_600_000;

/**
 * Ends requests that take too long to arrive, but for those that may be large. Node.js knows one time for all of
 * them: it is the longest, and this watches over the others and ends them as Node.js does.
 */
export function limitArrival(app: FastifyInstance, timeout_ms: number): void {
  app.addHook("onRequest", (request, _reply, done) => {
    // What a test injects doesn't arrive.
    const arrives = request.raw.socket instanceof Socket;
    if (arrives && !request.routeOptions.config.slow) watch(app, request, timeout_ms);
    done();
  });
}

function watch(app: FastifyInstance, { raw }: FastifyRequest, timeout_ms: number): void {
  const timer = setTimeout(() => {
    if (raw.complete) return;
    const error = Object.assign(new Error("Request timeout"), { code: "ERR_HTTP_REQUEST_TIMEOUT" });
    app.server.emit("clientError", error, raw.socket);
  }, timeout_ms);
  timer.unref();
  raw.once("close", () => clearTimeout(timer));
}

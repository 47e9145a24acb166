import type { FastifyInstance } from "fastify";

/** How long a large file may take to arrive. */
export const longestArrival_ms = 3_600_000;

/** How often is looked, in an arrival's longest time: it may take as much longer. */
const looks = 20;

/**
 * Ends requests that take too long to arrive, but for those that may be large. Node.js knows one time for all of
 * them: it is the longest, and this watches over the others and ends them as Node.js does.
 */
export function limitArrival(app: FastifyInstance, timeout_ms: number): void {
  const endSlow = (): void => {
    const latest_ms = performance.now() - timeout_ms;
    for (const [socket, { reply, begun_ms }] of app.exchanges) {
      const { raw, routeOptions } = reply.request;
      if (begun_ms > latest_ms || raw.complete || routeOptions.config.slow) continue;
      app.server.emit("clientError", tooSlow(), socket);
    }
  };
  // A timer for each request would cost an upload more than reading it.
  const timer = setInterval(endSlow, timeout_ms / looks);
  timer.unref();
  app.addHook("onClose", (_app, done) => {
    clearInterval(timer);
    done();
  });
}

function tooSlow(): Error {
  return Object.assign(new Error("Request timeout"), { code: "ERR_HTTP_REQUEST_TIMEOUT" });
}

import { Socket } from "node:net";
import type { IncomingMessage } from "node:http";
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
  /** When each began, the oldest first: a timer for each would cost an upload more than reading it. */
  const arriving = new Map<IncomingMessage, number>();
  app.addHook("onRequest", ({ raw, routeOptions }, _reply, done) => {
    // What a test injects doesn't arrive.
    if (raw.socket instanceof Socket && !routeOptions.config.slow) {
      arriving.set(raw, performance.now());
      raw.once("close", () => arriving.delete(raw));
    }
    done();
  });
  const timer = setInterval(() => {
    const latest_ms = performance.now() - timeout_ms;
    for (const [raw, begun_ms] of arriving) {
      if (begun_ms > latest_ms) break;
      arriving.delete(raw);
      if (!raw.complete) app.server.emit("clientError", tooSlow(), raw.socket);
    }
  }, timeout_ms / looks);
  timer.unref();
  app.addHook("onClose", (_app, done) => {
    clearInterval(timer);
    done();
  });
}

function tooSlow(): Error {
  return Object.assign(new Error("Request timeout"), { code: "ERR_HTTP_REQUEST_TIMEOUT" });
}

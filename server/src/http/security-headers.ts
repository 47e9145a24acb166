import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isForNode } from "./problem.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The Content-Security-Policy of a route that answers a page; else an answer may load nothing at all. */
    readonly csp?: string;
  }
}

const answersOnly = "default-src 'none'; frame-ancestors 'none'";
const year_s = 365 * 24 * 3600;

/**
 * Says with every answer what a browser may do with it, and that nobody keeps it: who asks decides what is in it. Routes
 * that know better say so themselves. Nodes are no browsers, and have no room for it.
 *
 * @param publicUrl whether it begins with https decides whether browsers are told to stay with TLS
 */
export function secureAnswers(app: FastifyInstance, publicUrl: string): void {
  const headers = headersOf(publicUrl);
  app.addHook("onRequest", (request, reply, done) => {
    secureAnswer(request, reply, headers);
    done();
  });
}

type SecurityHeaders = Readonly<Record<string, string>>;

/** What all answers say. Source: OWASP, HTTP Security Response Headers. */
export function headersOf(publicUrl: string): SecurityHeaders {
  return {
    "Content-Security-Policy": answersOnly,
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    ...(publicUrl.startsWith("https:") && { "Strict-Transport-Security": `max-age=${year_s}` }),
  };
}

/** The same for one answer, where the framework asks no hook. */
export function secureAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  headers: SecurityHeaders,
): void {
  if (isForNode(request)) return;
  const { csp } = request.routeOptions.config;
  reply.headers(headers);
  if (csp !== undefined) reply.header("Content-Security-Policy", csp);
}

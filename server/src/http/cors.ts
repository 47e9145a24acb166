import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ServerSettings } from "./deps.ts";

type Origins = Pick<ServerSettings, "publicUrl" | "corsOrigins">;

const remembered_s = 3600;

/** What a page sees of an answer beside its body. */
const shown =
  "Content-Disposition, Content-Range, ETag, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id";
const harmless = "If-None-Match, Last-Event-ID, Range";

/** What pages of the listed origins may do: all that their users may. */
const ours = {
  "Access-Control-Allow-Credentials": "true",
  "Access-Control-Expose-Headers": shown,
};
const oursBefore = {
  "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
  "Access-Control-Allow-Headers": `Authorization, Content-Type, X-API-Key, X-Request-Id, SensorVersion, ${harmless}`,
  "Access-Control-Max-Age": String(remembered_s),
};

/** What pages of any other origin may do: read what everybody may read. */
const anyones = { "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": shown };
const anyonesBefore = {
  "Access-Control-Allow-Methods": "GET, HEAD",
  "Access-Control-Allow-Headers": harmless,
  "Access-Control-Max-Age": String(remembered_s),
};

/**
 * Tells browsers which pages may see an answer, and beforehand which requests they may send. A request of a page that
 * isn't listed is answered as nobody's: with a token or key it gets no leave to be seen. Source: Fetch Standard, CORS
 * protocol.
 */
export function answerOrigins(app: FastifyInstance, origins: Origins): void {
  app.addHook("onRequest", (request, reply, done) => {
    const { origin } = request.headers;
    // Nodes name none, and have no room for this.
    if (origin === undefined) return done();
    const isPreflight = request.method === "OPTIONS";
    reply.header("Vary", "Origin");
    if (isListed(origin, origins))
      reply.headers({
        "Access-Control-Allow-Origin": origin,
        ...ours,
        ...(isPreflight && oursBefore),
      });
    else if (isRead(request) && !showsWho(request))
      reply.headers({ ...anyones, ...(isPreflight && anyonesBefore) });
    done();
  });
}

/** Whether pages of an origin may act for their users. */
function isListed(origin: string, { publicUrl, corsOrigins }: Origins): boolean {
  return corsOrigins.includes(origin) || origin === new URL(publicUrl).origin;
}

/** Whether a request reads, or asks whether it may. */
function isRead({ method, headers }: FastifyRequest): boolean {
  const meant = method === "OPTIONS" ? headers["access-control-request-method"] : method;
  return meant === "GET" || meant === "HEAD";
}

function showsWho({ headers }: FastifyRequest): boolean {
  return ["authorization", "x-api-key", "cookie"].some((name) => headers[name] !== undefined);
}

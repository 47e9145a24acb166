import cookie from "@fastify/cookie";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { defineError } from "../lib/errors.ts";
import type { ServerSettings } from "./deps.ts";

const foreignOrigin = defineError(
  "forbidden",
  "foreign_origin",
  "Pages of other sites can't do this",
);

/** What decides on cookies: where we are, and the pages elsewhere that may use them. */
type Site = Pick<ServerSettings, "publicUrl" | "corsOrigins">;

/** A cookie that only the endpoints under `/auth` get. */
export interface Cookie {
  readonly name: string;
  get(request: FastifyRequest): string | undefined;
  set(reply: FastifyReply, value: string, lasts_s: number): void;
  /** Makes the browser forget it, if it has it. */
  clear(request: FastifyRequest, reply: FastifyReply): void;
}

/** Lets the routes of this scope work with cookies: they answer no page of another site, but those that are listed. */
export async function useCookies(app: FastifyInstance, site: Site): Promise<void> {
  await app.register(cookie);
  app.addHook("onRequest", async (request) => {
    if (isForeign(request, site)) throw foreignOrigin();
  });
}

/**
 * The cookie is for TLS only where the public URL is. Browsers send it from pages of other sites only where such are
 * listed, and TLS is there, which they ask for.
 */
export function defineCookie(name: string, { publicUrl, corsOrigins }: Site): Cookie {
  const { protocol, hostname } = new URL(publicUrl);
  const secure = protocol === "https:";
  const isUsedElsewhere = corsOrigins.some((origin) => new URL(origin).hostname !== hostname);
  const flags = {
    path: "/api/auth",
    httpOnly: true,
    sameSite: secure && isUsedElsewhere ? "none" : "lax",
    secure,
  } as const;
  return {
    name,
    get: (request) => request.cookies[name],
    set: (reply, value, lasts_s) =>
      void reply.setCookie(name, value, { ...flags, maxAge: lasts_s }),
    clear: (request, reply) => {
      if (request.cookies[name] !== undefined) void reply.clearCookie(name, flags);
    },
  };
}

/**
 * Whether a browser says that a page of another site has sent this, one that isn't listed. Programs that are no browsers say nothing;
 * browsers that don't say where a request comes from name the page, or send no cookies with it.
 *
 * Source: Fetch Metadata Request Headers; RFC 6265bis, 5.6.7 (SameSite).
 */
function isForeign({ headers }: FastifyRequest, { publicUrl, corsOrigins }: Site): boolean {
  if (corsOrigins.includes(headers.origin ?? "")) return false;
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return true;
  const source = headers.origin ?? (site === undefined ? headers.referer : undefined);
  return source !== undefined && !isOurs(source, headers.host, new URL(publicUrl));
}

/** Whether a page is of the public URL, or of whatever other name the request found us under. */
function isOurs(page: string, host: string | undefined, publicUrl: URL): boolean {
  const source = URL.parse(page);
  if (!source) return false;
  if (source.host === publicUrl.host) return source.origin === publicUrl.origin;
  return source.host === host?.toLowerCase();
}

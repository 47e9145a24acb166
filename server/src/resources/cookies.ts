import cookie from "@fastify/cookie";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { defineError } from "../lib/errors.ts";

const foreignOrigin = defineError(
  "forbidden",
  "foreign_origin",
  "Pages of other sites can't do this",
);

/** A cookie that only the endpoints under `/auth` get. */
export interface Cookie {
  readonly name: string;
  get(request: FastifyRequest): string | undefined;
  set(reply: FastifyReply, value: string, lasts_s: number): void;
  /** Makes the browser forget it, if it has it. */
  clear(request: FastifyRequest, reply: FastifyReply): void;
}

/**
 * Lets the routes of this scope work with cookies: they answer no page of another site, and caches keep none of
 * their answers.
 *
 * @param publicUrl as the world sees us
 */
export async function useCookies(app: FastifyInstance, publicUrl: string): Promise<void> {
  await app.register(cookie);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("Cache-Control", "no-store");
    if (isForeign(request, publicUrl)) throw foreignOrigin();
  });
}

/** @param publicUrl whether it begins with https decides whether the cookie is for TLS only */
export function defineCookie(name: string, publicUrl: string): Cookie {
  const flags = {
    path: "/api/auth",
    httpOnly: true,
    sameSite: "lax",
    secure: publicUrl.startsWith("https:"),
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
 * Whether a browser says that a page of another site has sent this. Programs that are no browsers say nothing;
 * browsers that don't say where a request comes from name the page, or send no cookies with it.
 *
 * Source: Fetch Metadata Request Headers; RFC 6265bis, 5.6.7 (SameSite).
 */
function isForeign({ headers }: FastifyRequest, publicUrl: string): boolean {
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

import type { FastifyInstance, FastifyRequest } from "fastify";
import { authenticate, uploadOnly, type AuthDeps } from "../auth/authenticate.ts";
import { nobody, type Caller } from "../auth/caller.ts";
import type { Clock } from "../lib/clock.ts";
import { KnownError } from "../lib/errors.ts";
import type { Actor } from "../store/audit.ts";
import type { Limit } from "./rate-limit.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whether a route takes uploads. */
    readonly door?: boolean;
    /** Whether a route finds out by itself who is calling, or takes anyone: a stale token doesn't matter to it. */
    readonly anyone?: boolean;
    /** Whether a route's answers fit a node, though it takes no uploads. */
    readonly fitsNode?: boolean;
  }
  interface FastifyRequest {
    /** Who is calling. */
    caller: Caller;
  }
}

/**
 * Finds out who is calling before any route of this scope sees the request. Doors find out by themselves: an
 * upload isn't lost for a bad key. Nothing else is there for a logger's key. Who sends a body is looked for once more when it
 * is there: it may come half a minute after its head, in which a session or a key may have ended.
 *
 * @param limit counts the request once that is known; who shows what isn't good is counted as nobody
 */
export function identifyCallers(
  app: FastifyInstance,
  deps: AuthDeps & { readonly clock: Clock },
  limit: Limit,
): void {
  app.addHook("onRequest", async (request, reply) => {
    try {
      if (!request.routeOptions.config.anyone) request.caller = await identify(deps, request);
    } finally {
      await limit(request, reply);
    }
  });
  app.addHook("preValidation", async (request) => {
    if (request.body === undefined || request.caller === nobody) return;
    request.caller = await identify(deps, request);
  });
}

async function identify(
  deps: AuthDeps & { readonly clock: Clock },
  request: FastifyRequest,
): Promise<Caller> {
  const caller = await authenticate(deps, credentialsOf(request), deps.clock());
  if (caller.kind === "upload-key") throw uploadOnly();
  return caller;
}

/** Who is calling by their token, on routes that take anyone: nobody, where it isn't good. */
export async function findCaller(
  deps: AuthDeps & { readonly clock: Clock },
  { headers: { authorization } }: FastifyRequest,
): Promise<Caller> {
  try {
    return await authenticate(deps, { authorization, apiKey: undefined }, deps.clock());
  } catch (error) {
    if (error instanceof KnownError) return nobody;
    throw error;
  }
}

/** To be called once, on the root. */
export function decorateCaller(app: FastifyInstance): void {
  app.decorateRequest("caller");
  app.addHook("onRequest", (request, _reply, done) => {
    request.caller = nobody;
    done();
  });
}

/** What a request shows of who it is from. */
export function credentialsOf({ headers }: FastifyRequest): {
  authorization: string | undefined;
  apiKey: string | undefined;
} {
  const apiKey = headers["x-api-key"];
  return {
    authorization: headers.authorization,
    apiKey: typeof apiKey === "string" ? apiKey : undefined,
  };
}

/** The caller as the audit log names them. */
export function actorOf({ caller, ip }: Pick<FastifyRequest, "caller" | "ip">): Actor {
  const names: Readonly<Record<Caller["kind"], string>> = {
    nobody: "nobody",
    user: "user",
    key: caller.kind === "key" ? `key ${caller.keyId}` : "key",
    "upload-key": "upload key",
  };
  return {
    name: names[caller.kind],
    userId: caller.kind === "user" || caller.kind === "key" ? caller.userId : undefined,
    address: ip,
  };
}

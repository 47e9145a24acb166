import rateLimit, {
  type FastifyRateLimitStore,
  type RateLimitPluginOptions,
} from "@fastify/rate-limit";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Redis } from "ioredis";
import type { Caller } from "../auth/caller.ts";
import { defineError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { networkOf } from "../lib/network.ts";
import type { Others } from "../lib/others.ts";
import type { ServerSettings } from "./deps.ts";
import { RequestCounts } from "./request-counts.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whether a route is where passwords and codes are tried, or accounts made. */
    readonly login?: boolean;
  }
}

interface RateLimitDeps {
  readonly settings: Pick<ServerSettings, "requestsPerMinute">;
  /** Counts for all machines together. Undefined, or while it is away: each counts for itself. */
  readonly redis?: Redis | undefined;
  /** Undefined: there are no other processes of this server. */
  readonly others?: Others | undefined;
  readonly log: Log;
}

/** Counts a request. @throws KnownError (429) when there were too many of whom it is from */
export type Limit = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

const tooManyRequests = defineError(
  "too_many_requests",
  "rate_limited",
  "Too many requests: try again in {wait} s",
);

const window_s = 60;
/** Who is counted at the same time in one process; beyond, those are forgotten that were away for longest. */
const subjects = 20_000;
/** For how long a Redis that failed isn't asked. */
const pause_ms = 5000;

/** What may come in a window, in parts of what an address may send that shows no token or key. */
const policies = { address: 1, account: 5, login: 1 / 60 } as const;

/** Whom a request is counted against, and how many of theirs there may be. */
interface Rule {
  readonly policy: keyof typeof policies;
  readonly subject: string;
  readonly most: number;
}

type Count = ReturnType<FastifyInstance["createRateLimit"]>;

/**
 * Opens the counting of requests: by user or key; of nobody, and wherever passwords are tried, by network address. Every
 * answer says what is left. Source: draft-ietf-httpapi-ratelimit-headers-11.
 */
export async function openRateLimit(app: FastifyInstance, deps: RateLimitDeps): Promise<Limit> {
  const { requestsPerMinute } = deps.settings;
  if (requestsPerMinute === undefined) return async () => {};
  const count = await openCount(app, deps, {
    max: (request) => findRule(request, requestsPerMinute).most,
    keyGenerator: (request) => {
      const { policy, subject } = findRule(request, requestsPerMinute);
      return `${policy} ${subject}`;
    },
  });
  return async (request, reply) => {
    if (request.routeOptions.config.fitsNode) return;
    const counted = await count(request);
    if (counted.isAllowed) return;
    const { policy, most } = findRule(request, requestsPerMinute);
    const { remaining, ttlInSeconds: wait, isExceeded } = counted;
    reply.header("RateLimit-Policy", `"${policy}";q=${most};w=${window_s}`);
    reply.header("RateLimit", `"${policy}";r=${remaining};t=${wait}`);
    if (isExceeded) throw Object.assign(tooManyRequests({ wait }), { retryAfter_s: wait });
  };
}

function findRule({ caller, ip, routeOptions }: FastifyRequest, perMinute: number): Rule {
  const account = routeOptions.config.login ? undefined : nameAccount(caller);
  const policy = routeOptions.config.login ? "login" : account ? "account" : "address";
  const most = Math.max(1, Math.round(perMinute * policies[policy]));
  return { policy, subject: account ?? networkOf(ip), most };
}

function nameAccount(caller: Caller): string | undefined {
  if (caller.kind === "user") return `user ${caller.userId}`;
  return caller.kind === "key" ? `key ${caller.keyId}` : undefined;
}

/** Counts in Redis, and in this server while that can't. */
async function openCount(
  app: FastifyInstance,
  { redis, others, log }: RateLimitDeps,
  options: RateLimitPluginOptions,
): Promise<Count> {
  const usual = { ...options, global: false, timeWindow: window_s * 1000, cache: subjects };
  const store = others && storeOf(others);
  const alone = await openCounter(app, { ...usual, ...(store && { store }) });
  if (!redis) return alone;
  const together = await openCounter(app, { ...usual, redis, nameSpace: "ents-rate:" });
  let askedAgainAt_ms = 0;
  return async (request) => {
    if (performance.now() < askedAgainAt_ms) return await alone(request);
    return await together(request).catch(async (error: unknown) => {
      askedAgainAt_ms = performance.now() + pause_ms;
      log.warn({ err: error }, "Redis can't be reached: each server counts requests for itself");
      return await alone(request);
    });
  };
}

/** The plugin makes its store by itself. */
function storeOf(others: Others): new () => FastifyRateLimitStore {
  return class extends RequestCounts {
    constructor() {
      super(others, window_s * 1000, subjects);
    }
  };
}

/** A counter of its own: the plugin has one store a scope. */
async function openCounter(app: FastifyInstance, options: RateLimitPluginOptions): Promise<Count> {
  const { promise, resolve } = Promise.withResolvers<Count>();
  await app.register(async (scope) => {
    await scope.register(rateLimit, options);
    resolve(scope.createRateLimit());
  });
  return await promise;
}

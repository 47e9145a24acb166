import type { Socket } from "node:net";
import { TypeBoxValidatorCompiler, type TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { fastify, LogController, type FastifyBaseLogger, type FastifyInstance } from "fastify";
import { defineError } from "../lib/errors.ts";
import { catalog } from "./catalog.ts";
import { cells } from "./cells.ts";
import { dataAvailability } from "./data-availability.ts";
import type { DoorDeps } from "./door.ts";
import { equations } from "./equations.ts";
import { health } from "./health.ts";
import { answerOtherMethods, collectRoutes } from "./methods.ts";
import { power } from "./power.ts";
import { answerError } from "./problem.ts";
import { sensor } from "./sensor.ts";
import { teros } from "./teros.ts";

export interface ServerDeps extends DoorDeps {
  readonly logger: FastifyBaseLogger;
}

export interface ServerLimits {
  /** How long a request may take to arrive. */
  readonly requestTimeout_ms: number;
  readonly bodyLimit_bytes: number;
}

export const defaultLimits: ServerLimits = {
  requestTimeout_ms: 30_000,
  bodyLimit_bytes: 256 * 1024,
};

const noSuchPath = defineError("not_found", "no_such_path", "there is nothing at {path}");

/** Builds the HTTP API; it listens once `listen` is called. */
export function buildServer(
  deps: ServerDeps,
  limits: ServerLimits = defaultLimits,
): FastifyInstance {
  const app = fastify({
    loggerInstance: deps.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.bodyLimit_bytes,
    requestTimeout: limits.requestTimeout_ms,
    http: {
      headersTimeout: limits.requestTimeout_ms,
      connectionsCheckingInterval: Math.ceil(limits.requestTimeout_ms / 10),
      // A node's HTTP client is forgiven what it leaves out.
      requireHostHeader: false,
    },
    routerOptions: {
      // Clients join a base that ends in a slash with a path that begins with one, and forget the last one.
      ignoreTrailingSlash: true,
      ignoreDuplicateSlashes: true,
      querystringParser: parseQuery,
    },
    exposeHeadRoutes: true,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.setValidatorCompiler(TypeBoxValidatorCompiler);
  app.decorateRequest("uploadType", undefined);
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request) => {
    throw noSuchPath({ path: request.url.split("?", 1)[0]! });
  });
  const routes = collectRoutes(app);
  app.register(registerResources, { prefix: "/api", deps });
  app.register(answerOtherMethods, { routes });
  return app;
}

async function registerResources(
  app: FastifyInstance,
  { deps }: { deps: DoorDeps },
): Promise<void> {
  app.register(health);
  app.register(sensor, { deps });
  app.register(power, { deps });
  app.register(teros, { deps });
  app.register(cells, { deps });
  app.register(dataAvailability, { deps });
  app.register(catalog, { deps });
  app.register(equations);
}

/** A parameter that is empty was not given; of one that stands twice the last counts. */
function parseQuery(text: string): Record<string, string> {
  return Object.fromEntries([...new URLSearchParams(text)].filter(([, value]) => value !== ""));
}

/**
 * What didn't arrive as HTTP is answered before any route sees it: in a few bytes, with their number and in one
 * write, since it may be a node that asked.
 */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const status = brokenRequests[error.code ?? ""] ?? "400 Bad Request";
  const body = JSON.stringify({ message: status.slice(4) });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const brokenRequests: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Content Too Large",
};

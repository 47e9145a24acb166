import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import formbody from "@fastify/formbody";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { fastify, LogController, type FastifyInstance } from "fastify";
import { redactPath } from "../auth/keys.ts";
import { readAddresses } from "../lib/addresses.ts";
import { defineError } from "../lib/errors.ts";
import { answerBrokenRequest } from "../http/broken-request.ts";
import { apiKey } from "./api-key.ts";
import { audit } from "./audit.ts";
import { auth } from "./auth.ts";
import { catalog } from "./catalog.ts";
import { cellDatas } from "./cell-datas.ts";
import { cellTags } from "./cell-tags.ts";
import { cellUsers } from "./cell-users.ts";
import { cells } from "./cells.ts";
import { conflicts } from "./conflicts.ts";
import { limitConnections } from "../http/connections.ts";
import { answerOrigins } from "../http/cors.ts";
import { offerCompression } from "../http/compression.ts";
import { dataAvailability } from "./data-availability.ts";
import { decorateCaller, identifyCallers } from "../http/caller.ts";
import type { ServerDeps } from "../http/deps.ts";
import { docs, home } from "./docs.ts";
import { openDoors } from "../http/door.ts";
import { equations } from "./equations.ts";
import { Exchanges } from "../http/exchanges.ts";
import { exportCsv } from "./export.ts";
import { takeEmptyBodies } from "../http/empty-body.ts";
import { readForms } from "../http/form.ts";
import { health } from "./health.ts";
import { imports } from "./imports.ts";
import { healthz } from "./healthz.ts";
import { isForSockets } from "../streaming/sockets.ts";
import { Live } from "../streaming/live.ts";
import { keys } from "./keys.ts";
import { defaultLimits, toOptions, type ServerLimits } from "./limits.ts";
import { live } from "./live.ts";
import { loggers } from "./loggers.ts";
import { answerOtherMethods, collectRoutes } from "../http/methods.ts";
import { describeRoutes, openapi } from "./openapi.ts";
import { metrics } from "./metrics.ts";
import { oauth } from "./oauth.ts";
import { power, powerDoor } from "./power.ts";
import { answerError, isNode } from "../http/problem.ts";
import { openRateLimit } from "../http/rate-limit.ts";
import { readyz } from "./readyz.ts";
import { quarantine } from "./quarantine.ts";
import { readings } from "./readings.ts";
import { nameRequests } from "../http/request-id.ts";
import { headersOf, secureAnswer, secureAnswers } from "../http/security-headers.ts";
import { sensor, sensorDoor, sensorJsonDoor } from "./sensor.ts";
import { since } from "./since.ts";
import { session } from "./session.ts";
import { limitArrival } from "../http/slow-requests.ts";
import { tags } from "./tags.ts";
import { taskResult } from "./task-result.ts";
import { tasks } from "./tasks.ts";
import { teros, terosDoor } from "./teros.ts";
import { answerUnplaced } from "../http/unplaced.ts";
import { userCells } from "./user-cells.ts";
import { user } from "./user.ts";
import { keyDoor, uploadKeys } from "./upload-keys.ts";
import { compileValidator } from "../http/validator.ts";
import { watchRequests } from "../http/watch.ts";

const notForNodes = defineError(
  "unsupported_media_type",
  "unsupported_media_type",
  "application/octet-stream is for uploads only",
);
const noSuchPath = defineError("not_found", "no_such_path", "there is nothing at {path}");

/** Builds the HTTP API; it listens once `listen` is called. */
export function buildServer(
  deps: ServerDeps,
  limits: ServerLimits = defaultLimits,
): FastifyInstance {
  const isProxy = readAddresses(deps.settings.trustProxy);
  const options = toOptions(limits);
  const app = fastify({
    loggerInstance: deps.logger,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: "request_id",
    }),
    genReqId: nameRequests(isProxy),
    trustProxy: deps.settings.trustProxy,
    ...options,
    // All else that asks for another protocol is answered in this one; and who is still owed an answer, whose end Node.js
    // would not tell us of after that.
    http: {
      ...options.http,
      shouldUpgradeCallback: (request: IncomingMessage): boolean =>
        isForSockets(request) && !isOwed(app, request.socket),
    },
    routerOptions: {
      // Clients join a base that ends in a slash with a path that begins with one, and forget the last one.
      ignoreTrailingSlash: true,
      ignoreDuplicateSlashes: true,
      querystringParser: parseQuery,
    },
    exposeHeadRoutes: true,
    // A node sends a reading once: what comes while the server closes is still taken.
    return503OnClosing: false,
    clientErrorHandler: (error, socket) =>
      answerBrokenRequest(error, socket, app.exchanges.latestOn(socket)),
    frameworkErrors: (error, request, reply) => {
      secureAnswer(request, reply, headersOf(deps.settings.publicUrl));
      answerError(error, request, reply);
    },
  }).withTypeProvider<TypeBoxTypeProvider>();

  // Node.js answers an expectation that it doesn't know by itself, in chunks; it may be ignored as well.
  app.server.on("checkExpectation", (request, response) => app.routing(request, response));
  limitConnections(app.server, limits, { isProxy, log: deps.log });
  app.decorate("exchanges", new Exchanges(app));
  limitArrival(app, limits.requestTimeout_ms);
  app.setValidatorCompiler(compileValidator);
  app.decorateRequest("uploadType", undefined);
  decorateCaller(app);
  watchRequests(app, deps);
  secureAnswers(app, deps.settings.publicUrl);
  answerOrigins(app, deps.settings);
  app.setErrorHandler(deps.settings.unplacedStatus === "200" ? answerUnplaced : answerError);
  app.setNotFoundHandler((request) => {
    throw noSuchPath({ path: redactPath(request.url) });
  });
  describeRoutes(app);
  const routes = collectRoutes(app);
  const channel = openLive(app, deps);
  app.register(openDoors, {
    prefix: "/api",
    deps,
    doors: [sensorDoor, sensorJsonDoor, powerDoor, terosDoor],
  });
  app.register(openDoors, { deps, doors: [keyDoor] });
  app.register(registerResources, { prefix: "/api", deps, channel, limits });
  app.register(registerOperation, { deps });
  app.register(answerOtherMethods, { routes });
  return app;
}

function isOwed({ exchanges }: FastifyInstance, socket: Socket): boolean {
  return exchanges.latestOn(socket)?.reply.raw.writableFinished === false;
}

/** The live channel begins and ends with the server. */
function openLive(app: FastifyInstance, deps: ServerDeps): Live {
  const channel = new Live(deps);
  channel.attach(app.server);
  app.addHook("onReady", async () => await channel.start());
  app.addHook("preClose", async () => await channel.close());
  return channel;
}

async function registerResources(
  app: FastifyInstance,
  { deps, channel, limits }: { deps: ServerDeps; channel: Live; limits: ServerLimits },
): Promise<void> {
  refuseNodes(app);
  identifyCallers(app, deps, await openRateLimit(app, deps));
  await offerCompression(app);
  await app.register(formbody);
  takeEmptyBodies(app);
  readForms(app);
  app.register(health);
  app.register(openapi);
  app.register(docs);
  app.register(auth, { deps });
  app.register(oauth, { deps });
  app.register(session, { deps });
  app.register(user, { deps });
  app.register(apiKey, { deps });
  app.register(keys, { deps });
  app.register(uploadKeys, { deps });
  app.register(sensor, { deps });
  app.register(power, { deps });
  app.register(teros, { deps });
  app.register(readings, { deps });
  app.register(exportCsv, { deps, limits });
  app.register(since, { deps });
  app.register(live, { channel });
  app.register(cells, { deps });
  app.register(cellTags, { deps });
  app.register(cellUsers, { deps });
  app.register(userCells, { deps });
  app.register(tags, { deps });
  app.register(loggers, { deps });
  app.register(conflicts, { deps });
  app.register(quarantine, { deps });
  app.register(tasks, { deps });
  app.register(taskResult, { deps });
  app.register(imports, { deps });
  app.register(cellDatas, { deps });
  app.register(audit, { deps });
  app.register(dataAvailability, { deps });
  app.register(catalog, { deps });
  app.register(equations);
}

/** What operators ask, beside the API. */
async function registerOperation(
  app: FastifyInstance,
  { deps }: { deps: ServerDeps },
): Promise<void> {
  refuseNodes(app);
  app.register(home);
  app.register(healthz);
  app.register(readyz, { deps });
  app.register(metrics, { deps });
}

/** A node has room for an answer of few bytes: it is refused where others are answered more. */
function refuseNodes(app: FastifyInstance): void {
  app.addHook("onRequest", (request, _reply, done) => {
    done(!request.routeOptions.config.fitsNode && isNode(request) ? notForNodes() : undefined);
  });
}

/** A parameter that is empty was not given; of one that stands twice the last counts. */
function parseQuery(text: string): Record<string, string> {
  if (text === "") return {};
  return Object.fromEntries([...new URLSearchParams(text)].filter(([, value]) => value !== ""));
}

import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import {
  FreeNumber,
  Logger,
  LoggerChanges,
  LoggerId,
  NewLogger,
  TtnStatus,
} from "@ents-backend/schemas/logger";
import { Type } from "typebox";
import { getManagedLogger, holdManagedLogger } from "../auth/access.ts";
import { requirePerson, type Person } from "../auth/caller.ts";
import type { Db } from "../db/connect.ts";
import { transact } from "../db/transact.ts";
import { recordDeed } from "../store/audit.ts";
import { listClaimable } from "../store/logger-numbers.ts";
import {
  deleteLogger,
  getLogger,
  listLoggers,
  updateLogger,
  type Logger as Row,
} from "../store/loggers.ts";
import { readLastReceived } from "../store/sightings.ts";
import { countConflictsOf } from "../timeseries/conflicts.ts";
import { Done } from "../http/done.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forPeople } from "../http/for-whom.ts";
import { loggerDeed, makeLogger, readStatus } from "./make-logger.ts";
import { requireOwnEmail } from "./own-email.ts";

/** A logger's number in a path; see CellParameter on why it isn't an integer. */
export const LoggerParameter = Type.Number({
  minimum: 1,
  maximum: 2 ** 31 - 1,
  multipleOf: 1,
  description: "a logger's number",
  examples: [1],
});

const params = Type.Object({ logger: LoggerParameter });
const LoggersQuery = Type.Object({
  user: Type.Optional(Type.Boolean({ description: "the caller's own" })),
});
const OneLogger = Type.Interface(
  [Logger],
  { ttn_status: Type.Optional(TtnStatus) },
  { title: "OneLogger" },
);
const Created = Type.Object(
  {
    message: Type.String(),
    logger_id: LoggerId,
    ttn_registered: Type.Optional(Type.Boolean()),
    ttn_device_id: Type.Optional(Type.String()),
    ttn_message: Type.Optional(Type.String({ description: "why it was not registered" })),
  },
  { title: "CreatedLogger" },
);
const Deleted = Type.Object(
  { message: Type.String(), ttn_removed: Type.Optional(Type.Boolean()) },
  { title: "DeletedLogger" },
);

/**
 * `/logger`: the devices that send readings. Everyone logged in sees that they are there; what tells a device
 * from all others on the radio, and when it was last heard of, its owner alone sees.
 */
export const loggers: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "clock" | "ttn">;
}> = async (app, { deps }) => {
  const { db } = deps;

  app.get(
    "/logger",
    {
      schema: {
        operationId: "listLoggers",
        summary: "The loggers",
        security: forPeople,
        querystring: LoggersQuery,
        response: { 200: Type.Array(Logger) },
      },
    },
    async ({ query: { user }, caller }) => {
      const person = requirePerson(caller, "read");
      const rows = await listLoggers(db, { userId: user ? person.userId : undefined });
      return await toAnswers(db, rows, person);
    },
  );

  app.get(
    "/logger/unregistered",
    {
      schema: {
        operationId: "listUnregistered",
        summary: "Numbers that nodes send under, and that the caller may make loggers of",
        security: forPeople,
        response: { 200: Type.Array(FreeNumber) },
      },
    },
    async ({ caller }) => {
      const { userId, admin } = requirePerson(caller, "read");
      const free = await listClaimable(db, admin ? undefined : userId);
      return free.map(({ first_received_at: at, ...rest }) => ({
        ...rest,
        first_received_at: at.toISOString(),
      }));
    },
  );

  app.get(
    "/logger/:logger",
    {
      schema: {
        operationId: "getLogger",
        summary: "One logger",
        security: forPeople,
        params,
        response: { 200: OneLogger },
      },
    },
    async ({ params: { logger: id }, caller }) => {
      const person = requirePerson(caller, "read");
      const logger = await getLogger(db, id);
      const answer = (await toAnswers(db, [logger], person))[0]!;
      if (logger.type !== "ents" || !isTheirs(logger, person)) return answer;
      return { ...answer, ttn_status: await readStatus(deps.ttn, logger) };
    },
  );

  app.post(
    "/logger",
    {
      schema: {
        operationId: "createLogger",
        summary: "Makes a logger, whose owner is the caller",
        security: forPeople,
        problems: ["conflict", "bad_gateway"],
        body: NewLogger,
        response: { 201: Created },
      },
    },
    async (request, reply) => {
      const person = requirePerson(request.caller, "manage");
      await requireOwnEmail(db, person.userId, request.body.userEmail);
      const { id, ...registration } = await makeLogger(deps, request, person, request.body);
      const message = "Successfully added logger";
      return reply.code(201).send({ message, logger_id: id, ...registration });
    },
  );

  app.put(
    "/logger/:logger",
    {
      schema: {
        operationId: "updateLogger",
        summary: "Changes a logger",
        security: forPeople,
        params,
        body: LoggerChanges,
        response: { 200: Done },
      },
    },
    async (request) => {
      const { name, description, vwc_unit } = request.body;
      const changes = {
        ...(name !== undefined && { name: name.trim() }),
        ...(description !== undefined && { description }),
        ...(vwc_unit !== undefined && { vwc_unit }),
      };
      await transact(db, async (transaction) => {
        const { logger } = request.params;
        const { id } = await holdManagedLogger(transaction, request.caller, logger);
        await updateLogger(transaction, id, changes);
        await recordDeed(transaction, loggerDeed(deps.clock, request, id, "update", changes));
      });
      return { message: "Successfully updated logger" };
    },
  );

  app.delete(
    "/logger/:logger",
    {
      schema: {
        operationId: "deleteLogger",
        summary: "Deletes a logger",
        security: forPeople,
        problems: ["bad_gateway"],
        params,
        response: { 200: Deleted },
      },
    },
    async (request) => {
      const { caller } = request;
      // No row is held while the network answers.
      const { ttn_device_id } = await getManagedLogger(db, caller, request.params.logger);
      if (ttn_device_id !== null) await deps.ttn?.remove(ttn_device_id);
      await transact(db, async (transaction) => {
        const { id, name } = await holdManagedLogger(transaction, caller, request.params.logger);
        await deleteLogger(transaction, id);
        await recordDeed(transaction, loggerDeed(deps.clock, request, id, "delete", { name }));
      });
      const message = "Successfully deleted logger";
      return ttn_device_id === null ? { message } : { message, ttn_removed: Boolean(deps.ttn) };
    },
  );
};

/** Loggers as the API answers them to someone. */
async function toAnswers(db: Db, rows: readonly Row[], person: Person): Promise<Logger[]> {
  const ids = rows.map(({ id }) => id);
  const conflicts = await countConflictsOf(db, ids);
  const heard = await readLastReceived(db, ids);
  return rows.map((logger) => ({
    ...logger,
    date_created: logger.date_created.toISOString(),
    device_eui: isTheirs(logger, person) ? logger.device_eui : null,
    last_received_at: isTheirs(logger, person)
      ? (heard.get(logger.id)?.toISOString() ?? null)
      : null,
    conflicts: conflicts.get(logger.id) ?? 0,
  }));
}

function isTheirs({ user_id }: Row, { userId, admin }: Person): boolean {
  return admin || user_id === userId;
}

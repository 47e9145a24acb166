import type { FastifyReply, FastifyRequest } from "fastify";
import { Refusal } from "../ingest/refusal.ts";
import { answerError, encodeFailure, isNode, toProblem, toProblemJson } from "./problem.ts";

/**
 * Answers errors as `answerError` does, but for an upload that is kept in quarantine: that is answered 200, since its
 * node would stop uploading for anything else, and with what is wrong with it in the body.
 */
export function answerUnplaced(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const isKept = error instanceof Refusal && request.routeOptions.config.door;
  if (!isKept) return answerError(error, request, reply);
  reply.code(200);
  if (isNode(request))
    return reply
      .type("application/octet-stream")
      .send(Buffer.from(encodeFailure(request, error.verdicts)));
  return reply
    .type("application/json; charset=utf-8")
    .serializer(JSON.stringify)
    .send({ ...toProblemJson(toProblem(error), request.id), quarantined: true });
}

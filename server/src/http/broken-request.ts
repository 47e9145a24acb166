import type { Socket } from "node:net";
import type { FastifyReply } from "fastify";
import type { Exchange } from "./exchanges.ts";
import { encodeFailure, isNode, toProblemJson, type Problem } from "./problem.ts";

/**
 * Answers what stopped being HTTP before a route could answer it: in a few bytes, with their number and in one
 * write, since it may be a node that asked. What follows a whole request can't take that one's answer away.
 *
 * @param latest the exchange that came before it over the connection, if one did
 */
export function answerBrokenRequest(
  error: NodeJS.ErrnoException,
  socket: Socket,
  latest: Exchange | undefined,
): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const owed = latest?.reply.raw.writableFinished ? undefined : latest?.reply;
  if (owed?.request.raw.complete) {
    owed.raw.shouldKeepAlive = false;
    return;
  }
  // Its answer has begun, as one that is long does before the request is whole: nothing fits into its middle.
  if (owed?.raw.headersSent) return void socket.destroy();
  const problem = problems[error.code ?? ""] ?? badRequest;
  const { type, body } = describe(problem, owed);
  const { status, message } = problem;
  const head = `HTTP/1.1 ${status} ${message}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  socket.end(Buffer.concat([Buffer.from(head), body]));
}

const badRequest: Problem = { status: 400, code: "bad_request", message: "Bad Request" };

const problems: Readonly<Record<string, Problem>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: "request_timeout", message: "Request Timeout" },
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: "header_too_large",
    message: "Request Header Fields Too Large",
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    code: "body_too_large",
    message: "Payload Too Large",
  },
};

function describe(
  problem: Problem,
  owed: FastifyReply | undefined,
): { readonly type: string; readonly body: Uint8Array } {
  if (owed && isNode(owed.request))
    return { type: "application/octet-stream", body: encodeFailure(owed.request) };
  return {
    type: "application/problem+json",
    body: Buffer.from(JSON.stringify(toProblemJson(problem, owed?.request.id))),
  };
}

import type { Socket } from "node:net";
import type { FastifyInstance, FastifyReply } from "fastify";
import { encodeFailure, isNode } from "./problem.ts";

/** The answer to the latest request of each connection, given or still owed. */
export type LastAnswers = WeakMap<Socket, FastifyReply>;

/** Notes every answer from now on as its connection's last one. */
export function noteAnswers(app: FastifyInstance, answers: LastAnswers): void {
  app.addHook("onRequest", (request, reply, done) => {
    answers.set(request.raw.socket, reply);
    done();
  });
}

/**
 * Answers what stopped being HTTP before a route could answer it: in a few bytes, with their number and in one
 * write, since it may be a node that asked. What follows a whole request can't take that one's answer away.
 *
 * @param last the answer to the latest request that came over the connection, if one did
 */
export function answerBrokenRequest(
  error: NodeJS.ErrnoException,
  socket: Socket,
  last: FastifyReply | undefined,
): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const owed = last && !last.raw.writableFinished ? last : undefined;
  if (owed?.request.raw.complete) {
    owed.raw.shouldKeepAlive = false;
    return;
  }
  const status = statuses[error.code ?? ""] ?? "400 Bad Request";
  const { type, body } = describe(status, owed);
  const head = `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  socket.end(Buffer.concat([Buffer.from(head), body]));
}

const statuses: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Content Too Large",
};

function describe(
  status: string,
  owed: FastifyReply | undefined,
): { readonly type: string; readonly body: Uint8Array } {
  if (owed && isNode(owed.request))
    return { type: "application/octet-stream", body: encodeFailure(owed.request) };
  return {
    type: "application/json",
    body: Buffer.from(JSON.stringify({ message: status.slice(4) })),
  };
}

import type { Socket } from "node:net";
import type { FastifyInstance, FastifyReply } from "fastify";

declare module "fastify" {
  interface FastifyInstance {
    /** Decorated in server.ts. */
    readonly exchanges: Exchanges;
  }
}

/** The latest request on a connection, and its answer, given or still owed. */
export interface Exchange {
  readonly reply: FastifyReply;
  /** When its head had arrived. */
  readonly begun_ms: number;
}

/** What goes on at each open connection that has had a request: one entry for each, which costs an upload next to nothing. */
export class Exchanges {
  readonly #connections = new Map<Socket, { latest: Exchange | undefined }>();

  /** Notes every exchange from now on. */
  constructor(app: FastifyInstance) {
    app.server.on("connection", (socket: Socket) => {
      this.#connections.set(socket, { latest: undefined });
      socket.once("close", () => this.#connections.delete(socket));
    });
    app.addHook("onRequest", ({ raw }, reply, done) => {
      // What a test injects has no connection.
      const connection = this.#connections.get(raw.socket);
      if (connection) connection.latest = { reply, begun_ms: performance.now() };
      done();
    });
  }

  latestOn(socket: Socket): Exchange | undefined {
    return this.#connections.get(socket)?.latest;
  }

  *[Symbol.iterator](): Generator<readonly [Socket, Exchange]> {
    for (const [socket, { latest }] of this.#connections) if (latest) yield [socket, latest];
  }
}

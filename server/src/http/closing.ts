import { Server as NetServer } from "node:net";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";

/** How long a request may take to arrive, and to be answered, once the server is to close. */
const arrival_ms = 3000;
const look_ms = 20;
/** In a flood the queue is never empty. */
const mostTurns = 10_000;

/**
 * Closes a server so that nobody loses a request to it: what waits to be accepted is accepted, and a connection that is kept
 * for the next request isn't cut off while that may be on its way, but told with its answer to connect anew.
 */
export class Closing {
  readonly #app: FastifyInstance;
  #linger_ms = 0;

  /** To be made before the server listens. */
  constructor(app: FastifyInstance) {
    this.#app = app;
    app.addHook("preClose", async () => await this.#linger());
  }

  /**
   * Answers the requests that have arrived; a connection that sends nothing more isn't waited for.
   *
   * @param linger_ms for how long connections are kept for a next request, where they have had one
   */
  async close(linger_ms: number): Promise<void> {
    this.#linger_ms = linger_ms;
    await this.#stopAccepting();
    const { server } = this.#app;
    const impatience = setTimeout(() => server.closeAllConnections(), linger_ms + arrival_ms);
    await this.#app.close();
    clearTimeout(impatience);
  }

  /** From a queue that is empty: others at the same port have queues of their own, and can't take from this one. */
  async #stopAccepting(): Promise<void> {
    const { server } = this.#app;
    if (!server.listening) return;
    let hasAccepted = true;
    server.on("connection", () => (hasAccepted = true));
    for (let turns = 0; hasAccepted && turns < mostTurns; turns += 1) {
      hasAccepted = false;
      await turn();
      await turn();
    }
    // An HTTP server's own way would cut connections off.
    NetServer.prototype.close.call(server);
  }

  async #linger(): Promise<void> {
    const until_ms = performance.now() + this.#linger_ms;
    while (this.#keepsSome() && performance.now() < until_ms) await sleep(look_ms);
  }

  /** Whether there is a connection between two requests. */
  #keepsSome(): boolean {
    return [...this.#app.exchanges].some(
      ([socket, { reply }]) => socket.writable && reply.raw.writableFinished,
    );
  }
}

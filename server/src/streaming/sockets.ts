import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import { Server, type ExtendedError, type Socket } from "socket.io";
import { KnownError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { mostCells, refusalMessage, type Admission, type Guest, type Shown } from "./admission.ts";
import { isApiKey } from "../auth/keys.ts";
import { Batch } from "./batch.ts";
import type { Elsewhere } from "./elsewhere.ts";
import { toFrames } from "./frames.ts";
import type { Message } from "./merge.ts";
import { parsePayload, type CellsPayload } from "./payload.ts";
import type { Seats } from "./seats.ts";
import type { TaskWatch } from "./task-watch.ts";

interface SocketDeps {
  readonly admission: Admission;
  readonly tasks: TaskWatch;
  readonly seats: Seats;
  readonly log: Log;
  /** Undefined: there are no other processes. */
  readonly elsewhere: Elsewhere | undefined;
  /** Pages that may ask by long polling; a WebSocket has no such rule. */
  readonly origins: readonly string[];
  /** The network address that a request comes from. */
  readonly addressOf: (request: IncomingMessage) => string;
}

type Names = Record<string, (...args: unknown[]) => void>;
type LiveSocket = Socket<Names, Names>;

/** With and without a slash behind it. */
const path = "/socket.io";
/** A thousand cells and a cursor. */
const mostPayload_bytes = 16 * 1024;
/** How long a connection may take until it has said what it wants. */
const connect_ms = 10_000;
/** What one socket may wish before it is answered: each wish counts, and each of its cells, were they wished for one by one. */
const mostWaiting = 3 * mostCells;
/** Answers that wait for a socket to take them, counted likewise, and all packets: whoever takes none is cut off. */
const mostUnheard = 3 * mostCells;
const mostUnsent = 5000;
/** Packets in one answer to a poll of a client in Python, which takes a longer one for a broken connection. */
const mostPolled = 16;
const python = /^python/i;

/** Whether a request is for Socket.IO. */
export function isForSockets({ url = "" }: IncomingMessage): boolean {
  return url.startsWith(path) && /^[/?]?$/.test(url.charAt(path.length));
}

/** All who listen by Socket.IO. */
export class Sockets {
  readonly #deps: SocketDeps;
  readonly #io: Server<Names, Names>;
  /** Connections that have their socket, or are about to. */
  readonly #used = new WeakSet<LiveSocket["conn"]>();
  #isClosing = false;

  constructor(deps: SocketDeps) {
    this.#deps = deps;
    this.#io = new Server<Names, Names>({
      path,
      addTrailingSlash: false,
      serveClient: false,
      destroyUpgrade: false,
      maxHttpBufferSize: mostPayload_bytes,
      connectTimeout: connect_ms,
      cors: { origin: [...deps.origins] },
      allowRequest: (request, answer) => this.#allow(request, answer),
    });
    this.#io.use((socket, next) => void this.#identify(socket, next));
    this.#io.on("connection", (socket) => this.#welcome(socket));
  }

  /** Takes the requests of a server that are for Socket.IO. */
  attach(server: HttpServer): void {
    // Node.js takes its own listener away, and whoever takes the connection over may do so a little later.
    server.on("upgrade", (_request, socket) => socket.on("error", () => socket.destroy()));
    this.#io.attach(server);
    this.#io.engine.on("connection", (connection: LiveSocket["conn"]) => {
      const { seats, addressOf } = this.#deps;
      const address = addressOf(connection.request);
      // More may have been let in at once than there were seats for.
      if (!seats.hasRoom(address)) return connection.close(true);
      connection.once("close", seats.take(address));
      cutOffUnheard(connection);
      answerPollsInParts(connection);
    });
    if (this.#deps.elsewhere) this.#share(this.#deps.elsewhere);
  }

  /** Takes what other processes pass on; where they can't reach this one, only sessions of long polling break. */
  async open(): Promise<void> {
    const { elsewhere, log } = this.#deps;
    await elsewhere
      ?.open(this.#io.engine)
      .catch((err: unknown) => log.warn({ err }, "other processes can't reach this one"));
  }

  /** Ends all connections; clients come again by themselves. */
  close(farewell: Message): void {
    this.#isClosing = true;
    this.#io.emit(farewell.name, farewell.data);
    // An end of the transport, where a "disconnect" would tell clients to stay away.
    this.#io.engine.close();
  }

  /** Leaves the sessions of other processes to them. */
  #share(elsewhere: Elsewhere): void {
    const { engine } = this.#io;
    engine.generateId = () => elsewhere.newSessionId();
    engine.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      const answer = request.headers.upgrade === undefined ? response : undefined;
      void elsewhere.passOn(request, answer, next).catch(() => request.socket.destroy());
    });
  }

  #allow(
    request: IncomingMessage,
    answer: (error: string | null | undefined, allowed: boolean) => void,
  ): void {
    if (this.#isClosing) return answer("the server is closing", false);
    const isKnown = /[?&]sid=/.test(request.url ?? "");
    if (isKnown || this.#deps.seats.hasRoom(this.#deps.addressOf(request)))
      return answer(null, true);
    answer("too many live connections from this address: close some of them", false);
  }

  /** A connection has one socket at a time: each more would be a listener of its own. */
  async #identify(socket: LiveSocket, next: (error?: ExtendedError) => void): Promise<void> {
    const { conn } = socket;
    if (this.#used.has(conn)) return conn.close(true);
    this.#used.add(conn);
    try {
      await this.#deps.admission.identify(shownBy(socket));
      next();
    } catch (error) {
      this.#used.delete(conn);
      // Clients come again by themselves after a broken connection, and never after a refusal.
      if (error instanceof KnownError) next(toConnectError(error));
      else conn.close(true);
    }
  }

  #welcome(socket: LiveSocket): void {
    const guest = new SocketGuest(socket);
    const { admission, tasks } = this.#deps;
    const wishes = new Wishes((error) =>
      this.#deps.log.error({ err: error }, "a live subscription failed"),
    );
    this.#takeCellWishes(socket, guest, wishes);
    this.#takeTaskWishes(socket, guest, wishes);
    socket.once("disconnect", () => {
      this.#used.delete(socket.conn);
      admission.drop(guest);
      tasks.drop(guest);
    });
  }

  #takeCellWishes(socket: LiveSocket, guest: SocketGuest, wishes: Wishes): void {
    const { admission } = this.#deps;
    socket.on("subscribe_cells", (payload, ack) => {
      const { size, read } = toWish(payload);
      wishes.add(guest, ack, size, async () => {
        const { cellIds, after } = read();
        const subscribed = await admission.follow(guest, cellIds, after);
        const { refused } = subscribed;
        if (typeof ack !== "function" && refused.length > 0)
          guest.tell(new Batch([refusalMessage(refused)]));
        return subscribed;
      });
    });
    socket.on("unsubscribe_cells", (payload, ack) => {
      const { size, read } = toWish(payload);
      wishes.add(guest, ack, size, async () => {
        const { cellIds } = read();
        admission.unfollow(guest, cellIds);
        return { cellIds };
      });
    });
  }

  /** These are about nothing but who wishes: what stands before the acknowledgement doesn't count. */
  #takeTaskWishes(socket: LiveSocket, guest: SocketGuest, wishes: Wishes): void {
    const { tasks } = this.#deps;
    socket.on("subscribe_tasks", (...given) =>
      wishes.add(guest, given.at(-1), 0, async () => {
        await tasks.follow(guest);
        return {};
      }),
    );
    socket.on("unsubscribe_tasks", (...given) =>
      wishes.add(guest, given.at(-1), 0, async () => {
        tasks.drop(guest);
        return {};
      }),
    );
  }
}

/** One who listens by Socket.IO. */
class SocketGuest implements Guest {
  readonly shown: Shown;
  readonly #socket: LiveSocket;

  constructor(socket: LiveSocket) {
    this.#socket = socket;
    this.shown = shownBy(socket);
  }

  goesOn(): boolean {
    return this.#socket.connected;
  }

  end(): void {
    this.#socket.conn.close(true);
  }

  /** By polling it is ready when it asks. */
  isReady(): boolean {
    return this.#socket.conn.transport.writable;
  }

  tell(batch: Batch): void {
    const { conn } = this.#socket;
    if (conn.transport.name !== "websocket") {
      for (const { name, data } of batch.messages) this.#socket.emit(name, data);
      return;
    }
    conn.send(framed, batch.as(toPacketOptions));
  }
}

/** What one socket wishes, one after the other; each is answered by its acknowledgement, where one is wanted. */
class Wishes {
  readonly #onError: (error: unknown) => void;
  #last = Promise.resolve();
  #waiting = 0;
  #unheard = 0;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** @param size the cells that it is about; the wish has no other */
  add(guest: SocketGuest, ack: unknown, size: number, act: () => Promise<object>): void {
    const weight = 1 + size;
    const answer = (result: object): void => {
      if (typeof ack !== "function" && !("error" in result)) return;
      this.#unheard = guest.isReady() ? 0 : this.#unheard + weight;
      if (this.#unheard > mostUnheard) guest.end();
      else if (typeof ack === "function") ack(result);
      else if ("error" in result)
        guest.tell(new Batch([{ name: "subscribe_error", data: result.error as object }]));
    };
    if (this.#waiting + weight > mostWaiting) return answer({ error: tooFast });
    this.#waiting += weight;
    this.#last = this.#last
      .then(act)
      .then(answer, (error: unknown) => {
        if (error instanceof KnownError)
          return answer({ error: { code: error.code, message: error.message } });
        // It comes again by itself, and wishes anew.
        this.#onError(error);
        guest.end();
      })
      .catch(this.#onError)
      .finally(() => (this.#waiting -= weight));
  }
}

/** What a payload wishes, read at once, so that what else stands in it isn't kept while it waits. */
function toWish(payload: unknown): { readonly size: number; readonly read: () => CellsPayload } {
  try {
    const wish = parsePayload(payload);
    return { size: wish.cellIds.length, read: () => wish };
  } catch (error) {
    const refuse = (): never => {
      throw error;
    };
    return { size: 0, read: refuse };
  }
}

const tooFast = { code: "too_many_requests", message: "wait for the answers to what you asked" };
const unknownError = { code: "internal_error", message: "this failed here; try again soon" };

/** Packets that a connection can't be sent yet are held until it can. */
function cutOffUnheard(connection: LiveSocket["conn"]): void {
  connection.on("packetCreate", () => {
    if (unsentOf(connection).length >= mostUnsent) connection.close(true);
  });
}

/** What an answer to a poll has no room for is held until the next one. Others take whatever there is, and sooner. */
function answerPollsInParts(connection: LiveSocket["conn"]): void {
  const { transport, request } = connection;
  if (transport.name !== "polling" || !python.test(request.headers["user-agent"] ?? "")) return;
  const send = transport.send.bind(transport);
  transport.send = (packets) => {
    const rest = packets.splice(mostPolled);
    send(packets);
    unsentOf(connection).unshift(...rest);
  };
}

/** The packets that Engine.IO holds for a connection, itself. */
function unsentOf(connection: LiveSocket["conn"]): unknown[] {
  return (connection as unknown as { writeBuffer: unknown[] }).writeBuffer;
}

/** How Engine.IO is to send them: the same object for all sockets, which it doesn't change. */
function toPacketOptions(messages: readonly Message[]) {
  return { compress: false, wsPreEncodedFrame: [toFrames(messages)] };
}

/** Stands for what is in frames already. */
const framed = "";

/** A token or key in the handshake's `auth`, or in the headers that the REST API takes. */
function shownBy({ handshake: { auth, headers } }: LiveSocket): Shown {
  const token: unknown = (auth as Record<string, unknown>)["token"];
  if (typeof token === "string" && token !== "") {
    const text = token.replace(/^Bearer /i, "");
    return isApiKey(text)
      ? { authorization: undefined, apiKey: text }
      : { authorization: `Bearer ${text}`, apiKey: undefined };
  }
  const apiKey = headers["x-api-key"];
  return {
    authorization: headers.authorization,
    apiKey: typeof apiKey === "string" ? apiKey : undefined,
  };
}

/** What `connect_error` tells: the code and the sentence in `data`. */
function toConnectError(error: unknown): ExtendedError {
  const { code, message } = error instanceof KnownError ? error : unknownError;
  return Object.assign(new Error(message), { data: { code, message } });
}

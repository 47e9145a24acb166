import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { finished, pipeline } from "node:stream";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { reach } from "../lib/run-directory.ts";

/** How processes that share a port find each other. */
export interface Neighbours {
  /** Of this process: letters and digits. */
  readonly name: string;
  /** Where a process of some name listens for the others. */
  readonly pathOf: (name: string) => string;
}

/** What takes requests that were passed on. */
interface Holder {
  handleRequest(request: IncomingMessage, response: ServerResponse): void;
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** Of answers: what is for one connection, and not for the next one. Source: RFC 9110, 7.6.1. */
const ofConnections = new Set(["connection", "keep-alive", "transfer-encoding"]);
/** The same of requests, whose bodies are passed on as they are framed. */
const ofAskedConnections = /^(?:connection|keep-alive|te|trailer|expect|upgrade|proxy-.*)$/;

/**
 * A session of long polling is many requests, which come to whichever process; what it hears is told by the one that
 * it began with. Its id begins with the name of that one, to which the others pass its requests on.
 */
export class Elsewhere {
  readonly #neighbours: Neighbours;
  readonly #back = createServer();

  constructor(neighbours: Neighbours) {
    this.#neighbours = neighbours;
  }

  newSessionId(): string {
    return `${this.#neighbours.name}-${randomBytes(15).toString("base64url")}`;
  }

  /** Takes what the others pass on. */
  async open(holder: Holder): Promise<void> {
    this.#back.on("request", (asked, response) => holder.handleRequest(asked, response));
    this.#back.on("upgrade", (asked, socket, head) => holder.handleUpgrade(asked, socket, head));
    const { name, pathOf } = this.#neighbours;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#back.once("error", reject).listen(pathOf(name), resolve);
    await promise;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#back.close(resolve));
    this.#back.closeAllConnections();
    await closed;
  }

  /**
   * Passes a request on where its session is another process's.
   *
   * @param response undefined: it asks for another protocol, and is to be passed on with its connection
   * @param keep is called where it isn't: where that process is gone, so is the session
   */
  async passOn(
    asked: IncomingMessage,
    response: ServerResponse | undefined,
    keep: () => void,
  ): Promise<void> {
    const name = /[?&]sid=([0-9a-f]+)-/.exec(asked.url ?? "")?.[1];
    if (name === undefined || name === this.#neighbours.name) return keep();
    const link = await reach(this.#neighbours.pathOf(name));
    if (!link) return keep();
    link.on("error", () => link.destroy());
    if (response) passRequest(asked, response, link);
    else passConnection(asked, link);
  }
}

function passRequest(asked: IncomingMessage, response: ServerResponse, link: Socket): void {
  const { method, url: path } = asked;
  const kept = Object.entries(asked.headers).filter(([name]) => !ofAskedConnections.test(name));
  const headers = Object.fromEntries(kept);
  const options = { method, path, headers, createConnection: () => link };
  const passed = request(options, (answer) => {
    const told = Object.entries(answer.headers).filter(([name]) => !ofConnections.has(name));
    response.writeHead(answer.statusCode ?? 502, Object.fromEntries(told));
    pipeline(answer, response, () => {});
  });
  passed.on("error", () => response.destroy());
  response.once("close", () => link.destroy());
  asked.pipe(passed);
}

/** Nothing follows the head of such a request before it is answered. */
function passConnection({ method, url, rawHeaders, socket }: IncomingMessage, link: Socket): void {
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let at = 0; at < rawHeaders.length; at += 2)
    lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  link.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  socket.pipe(link).pipe(socket);
  finished(socket, () => link.destroy());
  finished(link, () => socket.destroy());
}

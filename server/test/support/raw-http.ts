import { connect, type Socket } from "node:net";

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** How many bytes come before the body. */
  readonly headSize: number;
  readonly body: Buffer;
  /** Whether the first packet brought all of it: a node reads no further. */
  readonly inOnePacket: boolean;
}

/**
 * A connection that sends bytes as they are, and hears them as they come. It never closes its half by itself, as
 * a node doesn't.
 */
export class RawConnection {
  readonly #socket: Socket;
  #unread = Buffer.alloc(0);
  #packets = 0;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;

  constructor(port: number) {
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("data", (packet: Buffer) => {
      this.#unread = Buffer.concat([this.#unread, packet]);
      this.#packets += 1;
    });
    // A server that refuses a body resets the connection when more of it comes, after its answer.
    this.#socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.#socket.once("close", () => resolve()));
  }

  send(bytes: Uint8Array | string): void {
    this.#socket.write(bytes);
  }

  /** Hangs up, whatever is still to come. */
  hangUp(): void {
    this.#socket.destroy();
  }

  /**
   * Waits for the next answer.
   *
   * @param method an answer to HEAD has no body
   */
  async answer(method = "POST"): Promise<RawAnswer> {
    for (;;) {
      const answer = parseAnswer(this.#unread, method);
      if (answer) {
        const inOnePacket = this.#packets === 1;
        this.#unread = this.#unread.subarray(answer.headSize + answer.body.length);
        this.#packets = this.#unread.length > 0 ? 1 : 0;
        return { ...answer, inOnePacket };
      }
      await this.#nextPacket();
    }
  }

  /** What came behind the answers that were read. */
  get rest(): Buffer {
    return this.#unread;
  }

  async #nextPacket(): Promise<void> {
    const packet = new Promise((resolve) => this.#socket.once("data", resolve));
    const came = await Promise.race([packet, this.closed.then(() => undefined)]);
    if (came === undefined)
      throw new Error(`closed after ${JSON.stringify(this.#unread.toString("latin1"))}`);
  }
}

/** The header's values, as often as it stands there. */
export function valuesOf({ headers }: RawAnswer, name: string): string[] {
  return headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

function parseAnswer(bytes: Buffer, method: string): Omit<RawAnswer, "inOnePacket"> | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [statusLine, ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });
  const length = method === "HEAD" ? 0 : contentLength(headers);
  const headSize = end + 4;
  if (bytes.length < headSize + length) return undefined;
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine!)?.[1]);
  return { status, headers, headSize, body: bytes.subarray(headSize, headSize + length) };
}

function contentLength(headers: RawAnswer["headers"]): number {
  const value = headers.find(([name]) => name.toLowerCase() === "content-length")?.[1];
  if (value === undefined) throw new Error("an answer without Content-Length");
  return Number(value);
}

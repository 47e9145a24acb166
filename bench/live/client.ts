import { connect, type Socket } from "node:net";

const upgrade = [
  "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
  "Host: localhost",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  "",
  "",
].join("\r\n");

/**
 * A client of Socket.IO by WebSocket that does as little as a client can, so that thousands of them in one process
 * measure the server and not themselves. Source: RFC 6455, 5.2; Engine.IO protocol 4, Socket.IO protocol 5.
 */
export class LiveClient {
  readonly #socket: Socket;
  readonly #onEvent: (text: string) => void;
  readonly #cell: number;
  #unread: Buffer = Buffer.alloc(0);
  #isUpgraded = false;
  #onSubscribed: () => void = () => undefined;
  readonly subscribed: Promise<void>;

  /** @param onEvent is given the text of each event */
  constructor(port: number, cell: number, onEvent: (text: string) => void) {
    this.#cell = cell;
    this.#onEvent = onEvent;
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.subscribed = new Promise((resolve, reject) => {
      this.#onSubscribed = resolve;
      this.#socket.once("error", reject);
      this.#socket.once("close", () => reject(new Error("a live client was turned away")));
    });
    this.#socket.write(upgrade);
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    let rest = this.#unread.length > 0 ? Buffer.concat([this.#unread, chunk]) : chunk;
    if (!this.#isUpgraded) {
      const end = rest.indexOf("\r\n\r\n");
      if (end >= 0) rest = rest.subarray(end + 4);
      this.#isUpgraded = end >= 0;
    }
    while (this.#isUpgraded) {
      const frame = frameOf(rest);
      if (!frame) break;
      this.#take(frame.text);
      rest = rest.subarray(frame.end);
    }
    this.#unread = rest;
  }

  #take(text: string): void {
    if (text.startsWith("42")) this.#onEvent(text);
    else if (text.startsWith("0")) this.#send("40");
    else if (text.startsWith("40"))
      this.#send(`420["subscribe_cells",{"cellIds":[${this.#cell}]}]`);
    else if (text.startsWith("43")) this.#onSubscribed();
    else if (text === "2") this.#send("3");
  }

  /** With a mask of zeros, which changes nothing. */
  #send(text: string): void {
    this.#socket.write(
      Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]),
    );
  }
}

function frameOf(bytes: Buffer): { readonly text: string; readonly end: number } | undefined {
  if (bytes.length < 2) return undefined;
  const isLong = bytes[1] === 126;
  const start = isLong ? 4 : 2;
  if (bytes.length < start) return undefined;
  const end = start + (isLong ? bytes.readUInt16BE(2) : bytes[1]!);
  return bytes.length < end ? undefined : { text: bytes.toString("latin1", start, end), end };
}

import { connect, type Socket } from "node:net";

/** What a connection tells: the status of an answer, or why it broke. */
export interface Listener {
  onOpen(): void;
  onAnswer(status: number): void;
  onBroken(reason: string): void;
}

/** Small enough to be read by eye, and no more than a load needs: one request at a time, answers with a length. */
export class Connection {
  readonly #socket: Socket;
  readonly #listener: Listener;
  #unread: Buffer | undefined;
  #closing = false;

  constructor(port: number, listener: Listener) {
    this.#listener = listener;
    let reason = "closed";
    this.#socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      // One buffer for all answers, instead of one for each.
      onread: {
        buffer: Buffer.alloc(65_536),
        callback: (size, buffer) => this.#read(Buffer.from(buffer.buffer, 0, size)),
      },
    });
    this.#socket.on("connect", () => listener.onOpen());
    this.#socket.on("error", (error: NodeJS.ErrnoException) => (reason = error.code ?? "error"));
    this.#socket.on("close", () => {
      if (!this.#closing) listener.onBroken(reason);
    });
  }

  send(request: Buffer): void {
    this.#socket.write(request);
  }

  close(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #read(bytes: Buffer): boolean {
    const all = this.#unread ? Buffer.concat([this.#unread, bytes]) : bytes;
    const status = readAnswer(all);
    this.#unread = status === undefined ? Buffer.from(all) : undefined;
    if (status !== undefined) this.#listener.onAnswer(status);
    return true;
  }
}

/** The status of an answer that is there to its last byte. */
function readAnswer(bytes: Buffer): number | undefined {
  const head = bytes.toString("latin1");
  const end = head.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const length = lengthIn(head);
  return bytes.length < end + 4 + length ? undefined : Number(head.slice(9, 12));
}

/** What its Content-Length says; servers write it in two ways. */
function lengthIn(head: string): number {
  let at = head.indexOf("\r\ncontent-length: ");
  if (at < 0) at = head.indexOf("\r\nContent-Length: ");
  return at < 0 ? 0 : Number.parseInt(head.slice(at + 18), 10);
}

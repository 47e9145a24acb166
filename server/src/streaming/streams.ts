import { Readable } from "node:stream";
import { every, type Repetition } from "../lib/every.ts";
import type { Guest, Shown, Subscribed } from "./admission.ts";
import type { Channel } from "./listener.ts";
import type { Message } from "./merge.ts";

/** What may wait to be sent; a stream that has more is told the rest when there is room. */
const room_bytes = 16 * 1024;
/** Proxies close connections that are silent for a minute. */
const heartbeat_ms = 15_000;
const retry_ms = 2000;

/** One who listens by Server-Sent Events. Source: the HTML standard, 9.2. */
export class EventStream implements Guest {
  readonly body: Readable;
  readonly shown: Shown;
  readonly #streams: Streams;
  #isOver = false;

  /** @param streams who tells all of them at once */
  constructor(streams: Streams, shown: Shown) {
    this.#streams = streams;
    this.shown = shown;
    this.body = new Readable({ read: () => undefined, highWaterMark: room_bytes });
  }

  goesOn(): boolean {
    return !this.#isOver && !this.body.destroyed;
  }

  isReady(): boolean {
    return this.body.readableLength < room_bytes;
  }

  join(cellIds: readonly number[]): void {
    if (this.goesOn()) this.#streams.join(this, cellIds);
  }

  leave(cellIds: readonly number[]): void {
    this.#streams.leave(this, cellIds);
  }

  tell(message: Message): void {
    this.write(format(message));
  }

  /** Says what it follows, and how soon to come again should it be cut off. */
  begin(subscribed: Subscribed): void {
    this.write(`retry: ${retry_ms}\n`);
    this.tell({ name: "subscribed", data: subscribed, cursor: subscribed.cursor });
  }

  write(text: string): void {
    if (this.goesOn()) this.body.push(text);
  }

  end(message: Message): void {
    this.tell(message);
    this.#isOver = true;
    this.body.push(null);
  }
}

/** All who listen by Server-Sent Events. */
export class Streams implements Channel {
  readonly #open = new Set<EventStream>();
  readonly #joined = new Map<number, Set<EventStream>>();
  #heartbeat: Repetition | undefined;

  /** @param onClose is told of each stream that is over */
  open(shown: Shown, onClose: (stream: EventStream) => void): EventStream {
    const stream = new EventStream(this, shown);
    this.#open.add(stream);
    stream.body.once("close", () => {
      this.#open.delete(stream);
      onClose(stream);
    });
    return stream;
  }

  start(): void {
    this.#heartbeat ??= every(
      heartbeat_ms,
      async () => {
        for (const stream of this.#open) if (stream.isReady()) stream.write(": heartbeat\n\n");
      },
      () => undefined,
    );
  }

  async close(farewell: Message): Promise<void> {
    for (const stream of this.#open) stream.end(farewell);
    await this.#heartbeat?.stop();
  }

  countJoined(cellId: number): number {
    return this.#joined.get(cellId)?.size ?? 0;
  }

  tellAll(cellId: number, message: Message): void {
    const streams = this.#joined.get(cellId);
    if (!streams) return;
    const text = format(message);
    for (const stream of streams) stream.write(text);
  }

  join(stream: EventStream, cellIds: readonly number[]): void {
    for (const cellId of cellIds) {
      const streams = this.#joined.get(cellId) ?? new Set();
      this.#joined.set(cellId, streams.add(stream));
    }
  }

  leave(stream: EventStream, cellIds: readonly number[]): void {
    for (const cellId of cellIds) {
      const streams = this.#joined.get(cellId);
      streams?.delete(stream);
      if (streams?.size === 0) this.#joined.delete(cellId);
    }
  }
}

function format({ name, data, cursor }: Message): string {
  const id = cursor === undefined ? "" : `id: ${cursor}\n`;
  return `event: ${name}\n${id}data: ${JSON.stringify(data)}\n\n`;
}

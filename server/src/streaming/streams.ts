import { Readable } from "node:stream";
import { every, type Repetition } from "../lib/every.ts";
import type { Guest, Shown, Subscribed } from "./admission.ts";
import type { Batch } from "./batch.ts";
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
  #isOver = false;

  constructor(shown: Shown) {
    this.shown = shown;
    this.body = new Readable({ read: () => undefined, highWaterMark: room_bytes });
  }

  goesOn(): boolean {
    return !this.#isOver && !this.body.destroyed;
  }

  isReady(): boolean {
    return this.body.readableLength < room_bytes;
  }

  tell(batch: Batch): void {
    this.write(batch.as(format));
  }

  /** Says what it follows, and how soon to come again should it be cut off. */
  begin(subscribed: Subscribed): void {
    this.write(`retry: ${retry_ms}\n`);
    this.write(format([{ name: "subscribed", data: subscribed, cursor: subscribed.cursor }]));
  }

  write(text: string): void {
    if (this.goesOn()) this.body.push(text);
  }

  end(farewell: Message): void {
    this.write(format([farewell]));
    this.#isOver = true;
    this.body.push(null);
  }
}

/** All who listen by Server-Sent Events. */
export class Streams {
  readonly #open = new Set<EventStream>();
  #heartbeat: Repetition | undefined;

  /** @param onClose is told of each stream that is over */
  open(shown: Shown, onClose: (stream: EventStream) => void): EventStream {
    const stream = new EventStream(shown);
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
}

function format(messages: readonly Message[]): string {
  return messages.map(formatOne).join("");
}

function formatOne({ name, data, cursor }: Message): string {
  const id = cursor === undefined ? "" : `id: ${cursor}\n`;
  return `event: ${name}\n${id}data: ${JSON.stringify(data)}\n\n`;
}

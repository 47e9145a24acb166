// Many who listen, in a process of its own: takes a LiveSpec, answers "ready"; takes "stop", answers a LiveResult.

import { LiveClient } from "./client.ts";

export interface LiveSpec {
  readonly port: number;
  readonly cell: number;
  readonly listeners: number;
}

/** When the last of the listeners had an event, and how many had it. */
export interface Served {
  /** The event's `timestamp`. */
  readonly ts: number;
  readonly listeners: number;
  /** Milliseconds since 1970. */
  readonly lastAt_ms: number;
}

export interface LiveResult {
  readonly served: readonly Served[];
  readonly cpu_s: number;
}

/** Clients that connect at a time. */
const together = 50;
const served = new Map<number, { listeners: number; lastAt_ms: number }>();
const clients: LiveClient[] = [];

process.once("disconnect", () => process.exit());
process.on("message", (message: LiveSpec | "stop") => {
  if (message === "stop") answer();
  else void listen(message);
});

async function listen({ port, cell, listeners }: LiveSpec): Promise<void> {
  while (clients.length < listeners) {
    const some = Array.from(
      { length: Math.min(together, listeners - clients.length) },
      () => new LiveClient(port, cell, note),
    );
    clients.push(...some);
    await Promise.all(some.map(({ subscribed }) => subscribed));
  }
  process.send!("ready");
}

function note(text: string): void {
  const ts = Number(/"timestamp":(\d+)/.exec(text)?.[1]);
  const one = served.get(ts) ?? { listeners: 0, lastAt_ms: 0 };
  one.listeners += 1;
  one.lastAt_ms = performance.timeOrigin + performance.now();
  served.set(ts, one);
}

function answer(): void {
  const { user, system } = process.cpuUsage();
  const result: LiveResult = {
    served: [...served].map(([ts, one]) => ({ ts, ...one })),
    cpu_s: (user + system) / 1e6,
  };
  process.send!(result, () => process.disconnect());
}

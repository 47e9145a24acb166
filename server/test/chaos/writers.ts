import { Agent, request, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { decimal, encodeVersion2 } from "../support/messages.ts";
import type { Chance } from "../support/random.ts";
import { Ledger, types, valueOf, type Entry } from "./ledger.ts";

/** What became of an upload: undefined where no answer came. */
export interface Outcome {
  readonly status: number | undefined;
  readonly latency_ms: number;
}

const patience_ms = 60_000;
const firstTs = 1_600_000_000;
const day_s = 86_400;

/** How many earlier messages one may be chosen from to be sent again. */
const mostRemembered = 500;

/**
 * Nodes that upload to the same cells: whole instants, halves of power whose other half comes later and from another
 * node, late ones, repeats, and what was kept offline, in no order.
 */
export class Writers {
  readonly ledger = new Ledger();
  readonly outcomes: Outcome[] = [];
  readonly #chance: Chance;
  readonly #cells: readonly number[];
  readonly #earlier: (readonly Entry[])[] = [];
  readonly #halves: Entry[] = [];
  #nextTs = firstTs;

  constructor(chance: Chance, cells: readonly number[]) {
    this.#chance = chance;
    this.#cells = cells;
  }

  /**
   * Uploads with so many nodes at once until it is told to stop.
   *
   * @param pause_ms how long a node waits between two uploads
   */
  async run(
    url: string,
    stop: AbortSignal,
    { nodes = 8, pause_ms = 0 }: { readonly nodes?: number; readonly pause_ms?: number } = {},
  ): Promise<void> {
    await Promise.all(
      Array.from({ length: nodes }, async () => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        while (!stop.aborted) {
          const outcome = await this.#upload(url, agent);
          // A server that is gone refuses at once: nodes don't hammer at its door.
          await sleep(outcome.status === undefined ? 20 : pause_ms);
        }
        agent.destroy();
      }),
    );
  }

  async #upload(url: string, agent: Agent): Promise<Outcome> {
    const entries = this.#choose();
    this.ledger.send(entries);
    const keepAlive = this.#chance.happens(0.7);
    const outcome = await post(url, encode(entries), keepAlive ? agent : undefined);
    if (outcome.status === 200) this.ledger.acknowledge(entries);
    this.outcomes.push(outcome);
    return outcome;
  }

  /** The readings of the next message. */
  #choose(): readonly Entry[] {
    const chance = this.#chance;
    if (this.#earlier.length > 0 && chance.happens(0.15)) return chance.pick(this.#earlier);
    const entries = this.#makeNew();
    if (this.#earlier.push(entries) > mostRemembered) this.#earlier.shift();
    return entries;
  }

  #makeNew(): Entry[] {
    const chance = this.#chance;
    const other = chance.happens(0.4) ? this.#halves.shift() : undefined;
    if (other) return [other];
    const place = { cellId: chance.pick(this.#cells), ts: this.#chooseTs() };
    const whole = Object.values(types).map((type) => ({ ...place, type }));
    if (chance.happens(0.3)) return this.#split(whole);
    return chance.happens(0.1) ? this.#makeBacklog() : whole;
  }

  /** Keeps one half of an instant's power for another message. */
  #split([voltage, current, temperature]: Entry[]): Entry[] {
    const [now, later] = this.#chance.happens(0.5) ? [voltage!, current!] : [current!, voltage!];
    this.#halves.push(later);
    return this.#chance.happens(0.5) ? [now] : [now, temperature!];
  }

  /** Sixteen readings, in no order. */
  #makeBacklog(): Entry[] {
    const entries = Array.from({ length: 16 }, () => ({
      cellId: this.#chance.pick(this.#cells),
      type: this.#chance.pick(Object.values(types)),
      ts: this.#chooseTs(),
    }));
    return entries.sort((a, b) => (a.ts % 7) - (b.ts % 7));
  }

  /** The next instant, or one of the days before. */
  #chooseTs(): number {
    return this.#chance.happens(0.2) ? firstTs - this.#chance.below(30 * day_s) : this.#nextTs++;
  }
}

function encode(entries: readonly Entry[]): Uint8Array {
  return encodeVersion2(
    entries.map((entry, idx) => ({
      meta: { cellId: entry.cellId, loggerId: 1, ts: entry.ts },
      type: entry.type,
      value: decimal(valueOf(entry)),
      idx,
    })),
  );
}

/** @param agent undefined: on a connection of its own, which is then closed */
async function post(url: string, body: Uint8Array, agent: Agent | undefined): Promise<Outcome> {
  const start = performance.now();
  const status = await exchange(url, body, agent).catch(() => undefined);
  return { status, latency_ms: performance.now() - start };
}

async function exchange(
  url: string,
  body: Uint8Array,
  agent: Agent | undefined,
): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request(
    `${url}/api/sensor/`,
    {
      method: "POST",
      agent: agent ?? false,
      signal: AbortSignal.timeout(patience_ms),
      headers: {
        "Content-Type": "application/octet-stream",
        SensorVersion: "2",
        "Content-Length": body.length,
      },
    },
    resolve,
  )
    .on("error", reject)
    .end(body);
  const response = await promise;
  for await (const _ of response);
  return response.statusCode;
}

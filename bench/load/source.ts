import { sensorType, type SensorTypeName } from "@ents-backend/schemas/sensor";
import { Template, toBufferedRequest, type BufferedReading } from "./message.ts";

/** What a load uploads. */
export type SourceSpec = LiveSpec | BacklogSpec;

/** Nodes that measure and upload at once: each connection goes on to an instant of its own with each message. */
export interface LiveSpec {
  readonly kind: "live";
  /** Connection n uploads to the nth of them, and begins again at the first. */
  readonly cells: readonly number[];
  /** Unix seconds. */
  readonly firstTs: number;
}

/** A node that was offline, and now uploads what it has kept. */
export interface BacklogSpec {
  readonly kind: "backlog";
  readonly cell: number;
  readonly firstTs: number;
  readonly messages: number;
  readonly shuffled: boolean;
}

export interface Source {
  /** The next request for a connection, valid until it asks again; undefined: there is no more. */
  next(connection: number): Buffer | undefined;
}

/** Voltage, current, one temperature. */
const liveSensors: readonly SensorTypeName[] = ["POWER_VOLTAGE", "POWER_CURRENT", "TEROS12_TEMP"];

const backlogSensors = [
  "POWER_VOLTAGE",
  "POWER_CURRENT",
  "TEROS12_VWC",
  "TEROS12_TEMP",
  "TEROS12_EC",
] as const satisfies readonly SensorTypeName[];

/** As many as the hardware packs into one message. */
export const readingsPerMessage = 16;

/** Between two instants of the node that was offline: a month of five sensors is then 345,600 readings. */
const interval_s = 37;

export function openSource(spec: SourceSpec, connections: number): Source {
  return spec.kind === "live" ? openLive(spec, connections) : openBacklog(spec);
}

function openLive({ cells, firstTs }: LiveSpec, connections: number): Source {
  const nodes = Array.from({ length: connections }, (_, nth) => ({
    template: new Template(cells[nth % cells.length]!, liveSensors),
    ts: firstTs + nth,
  }));
  return {
    next(connection) {
      const node = nodes[connection]!;
      node.ts += connections;
      return node.template.stamp(node.ts);
    },
  };
}

function openBacklog({ cell, firstTs, messages, shuffled }: BacklogSpec): Source {
  const requests = Array.from({ length: messages }, (_, nth) =>
    toBufferedRequest(cell, readingsOf(nth, firstTs)),
  );
  if (shuffled) shuffle(requests);
  return { next: () => requests.pop() };
}

/** The readings of the nth message: the sensors take turns, wherever a message ends. */
function readingsOf(nth: number, firstTs: number): BufferedReading[] {
  return Array.from({ length: readingsPerMessage }, (_, at) => {
    const reading = nth * readingsPerMessage + at;
    return {
      type: sensorType(backlogSensors[reading % backlogSensors.length]!),
      ts: firstTs + Math.floor(reading / backlogSensors.length) * interval_s,
      value: 10 + (reading % 1000) / 100,
    };
  });
}

function shuffle(items: unknown[]): void {
  for (let at = items.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [items[at], items[other]] = [items[other], items[at]];
  }
}

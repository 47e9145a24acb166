import type { MeasurementReceived, ReadingsMerged } from "@ents-backend/schemas/live-events";

/** What listeners are told, as Socket.IO and Server-Sent Events name it. */
export interface Message {
  readonly name: string;
  readonly data: object;
  /** Who goes on from here misses nothing. */
  readonly cursor?: string | undefined;
  /** How many measurements it tells of together; undefined: none. */
  readonly merged?: number | undefined;
}

/** A message to all who follow a cell. */
export interface CellMessage {
  readonly cellId: number;
  readonly message: Message;
}

/**
 * What is told of some measurements, in the order of the log: each of them; of a cell where they are too many, the newest
 * of each type, and how many there were. Those come first and with the cursor from before all of this, so that no cursor
 * that someone has heard is past anything that they haven't.
 *
 * @param mostOf how many measurements of a cell are told one by one
 * @param since the cursor from which all of them can be read
 * @returns in the order in which they are to be told, whichever cells someone follows
 */
export function arrange(
  events: readonly MeasurementReceived[],
  mostOf: (cellId: number) => number,
  since: string,
): CellMessage[] {
  const crowded = findCrowded(events, mostOf);
  const [first, last]: [CellMessage[], CellMessage[]] = [[], []];
  const end = events.at(-1)?.cursor ?? since;
  for (const [cellId, { all, newest }] of crowded) {
    const until = all.at(-1)!.cursor;
    const merged = all.length;
    const data: ReadingsMerged = { cellId, count: merged, since, until, cursor: since };
    first.push(...newest.map((event) => toMessage({ ...event, cursor: since })));
    first.push({ cellId, message: { name: "readings_merged", data, cursor: since, merged } });
    last.push({ cellId, message: cursorMessage(end) });
  }
  const others = events.filter(({ cellId }) => !crowded.has(cellId)).map(toMessage);
  return [...first, ...others, ...last];
}

/** Tells where the log has come to. */
export function cursorMessage(cursor: string): Message {
  return { name: "cursor", data: { cursor }, cursor };
}

function toMessage(event: MeasurementReceived): CellMessage {
  const { cellId, cursor } = event;
  return { cellId, message: { name: "measurement_received", data: event, cursor } };
}

interface Crowd {
  readonly all: readonly MeasurementReceived[];
  readonly newest: readonly MeasurementReceived[];
}

/** Cells of which too much is there to tell, unless what would be told instead is no less. */
function findCrowded(
  events: readonly MeasurementReceived[],
  mostOf: (cellId: number) => number,
): ReadonlyMap<number, Crowd> {
  const crowded = new Map<number, Crowd>();
  for (const [cellId, all] of Map.groupBy(events, ({ cellId: id }) => id)) {
    if (all.length <= mostOf(cellId)) continue;
    const newest = newestOfEach(all);
    if (newest.length < all.length) crowded.set(cellId, { all, newest });
  }
  return crowded;
}

function newestOfEach(events: readonly MeasurementReceived[]): MeasurementReceived[] {
  const newest = new Map<string, MeasurementReceived>();
  for (const event of events) {
    const before = newest.get(event.type);
    if (!before || event.timestamp >= before.timestamp) newest.set(event.type, event);
  }
  return [...newest.values()];
}

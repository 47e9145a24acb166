import type { MeasurementReceived } from "@ents-backend/schemas/live-events";
import { findField, terosStreams } from "@ents-backend/schemas/measurement";
import { isSameStream, powerStream } from "@ents-backend/schemas/sensor";
import { comparePositions, type ArrivedReading } from "../timeseries/arrivals.ts";
import { asSent } from "./as-sent.ts";
import { formatCursor } from "./cursor.ts";

/**
 * Stored readings as events: those of one message as one event, in its form and its units, all others each by itself.
 * Power isn't one, which nobody has sent: who listens makes it of its halves, or reads it.
 *
 * @param readings those of one message side by side, as the log has them
 */
export function toEvents(readings: readonly ArrivedReading[]): MeasurementReceived[] {
  const events: MeasurementReceived[] = [];
  for (let at = 0; at < readings.length;) {
    const end = endOfMessage(readings, at);
    const sent = readings.slice(at, end).filter((reading) => !isSameStream(reading, powerStream));
    if (sent.length > 0) events.push(toEvent(sent));
    at = end;
  }
  return events;
}

function endOfMessage(readings: readonly ArrivedReading[], start: number): number {
  const { position } = readings[start]!;
  let end = start + 1;
  while (end < readings.length && comparePositions(readings[end]!.position, position) === 0)
    end += 1;
  return end;
}

function toEvent(readings: readonly ArrivedReading[]): MeasurementReceived {
  const [{ position, cellId, loggerId, ts }] = readings as [ArrivedReading];
  const values = readings.map(toValue);
  return {
    type: values[0]!.type,
    cellId,
    loggerId,
    timestamp: ts,
    data: Object.fromEntries(values.map(({ key, value }) => [key, value])),
    obj_count: 0,
    cursor: formatCursor(position),
  };
}

interface EventValue {
  readonly type: string;
  readonly key: string;
  readonly value: number | null;
}

/** The streams of `power` and `teros12` are those of version-2 types too: only a message has them in version 1's form. */
function toValue(reading: ArrivedReading): EventValue {
  const { name, measurement, value, inMessage } = reading;
  const field = findField(reading);
  if (!field || (!inMessage && field.type !== name)) return { type: name, key: measurement, value };
  const factor = isFraction(reading) ? percent : field.factor;
  return {
    type: field.type,
    key: field.field,
    value: value === null ? null : asSent(value, factor),
  };
}

const percent = 100;

function isFraction(reading: ArrivedReading): boolean {
  return reading.hasFraction && isSameStream(reading, terosStreams.vwc);
}

import { sensorType, type SensorType, type SensorTypeName } from "@ents-backend/schemas/sensor";
import { encodeRepeated } from "../../server/src/ingest/codecs/encode.ts";
import { RepeatedSensorMeasurementsSchema } from "../../server/src/ingest/codecs/proto/sensor_pb.js";
import { create, toBinary } from "@bufbuild/protobuf";

/** Stands for the instant in a template: five bytes on the wire, as instants of our time are, and found nowhere else in it. */
const placeholder = 0x7654_3210;

/** One message whose instant is written over in place: to make it anew for each upload would burden the machine. */
export class Template {
  readonly request: Buffer;
  readonly #at: number;

  constructor(cellId: number, sensors: readonly SensorTypeName[]) {
    const readings = sensors.map((name, at) => ({ type: sensorType(name), value: 20.5 + at }));
    const body = encodeRepeated({ cellId, loggerId: 1, ts: placeholder }, readings);
    this.request = toRequest(body);
    this.#at = this.request.lastIndexOf(toVarint(placeholder));
  }

  /** @param ts Unix seconds, from 2^28 (1978) on */
  stamp(ts: number): Buffer {
    this.request.set(toVarint(ts), this.#at);
    return this.request;
  }
}

/** One reading as a node's memory holds it. */
export interface BufferedReading {
  readonly type: SensorType;
  readonly ts: number;
  readonly value: number;
}

/** A message of readings that each have their own instant, as a node sends what it has kept. */
export function toBufferedRequest(cellId: number, readings: readonly BufferedReading[]): Buffer {
  const measurements = readings.map(({ type, ts, value }, idx) => ({
    meta: { cellId, loggerId: 1, ts },
    type: type.number,
    value: { case: "decimal" as const, value },
    idx,
  }));
  return toRequest(
    toBinary(
      RepeatedSensorMeasurementsSchema,
      create(RepeatedSensorMeasurementsSchema, { measurements }),
    ),
  );
}

/** An upload as a node makes it, on a connection that stays. */
function toRequest(body: Uint8Array): Buffer {
  const head = [
    "POST /api/sensor/ HTTP/1.1",
    "Host: localhost",
    "User-Agent: ents/2.3.0",
    "Content-Type: application/octet-stream",
    "SensorVersion: 2",
    `Content-Length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);
}

function toVarint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

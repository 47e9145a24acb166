import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { sensorTypes } from "@ents-backend/schemas/sensor";
import { MeasurementSchema } from "../../src/ingest/codecs/proto/measurement_pb.js";
import {
  RepeatedSensorMeasurementsSchema,
  RepeatedSensorResponsesSchema,
  type SensorMeasurementSchema,
} from "../../src/ingest/codecs/proto/sensor_pb.js";

export type Version1 = NonNullable<MessageInitShape<typeof MeasurementSchema>["measurement"]>;
export type Version2 = MessageInitShape<typeof SensorMeasurementSchema>;

/** Who measured, and when: `ts` is in Unix seconds. */
export interface Meta {
  readonly cellId: number;
  readonly loggerId?: number;
  readonly ts: number;
}

/** What a node says beside a version-2 message. */
export const version2 = { SensorVersion: "2" };

/** A `Measurement`. */
export function encodeVersion1(meta: Meta, measurement: Version1): Uint8Array {
  return toBinary(MeasurementSchema, create(MeasurementSchema, { meta, measurement }));
}

/** A `RepeatedSensorMeasurements`. */
export function encodeVersion2(
  measurements: readonly Version2[],
  message: { meta?: Meta; type?: number } = {},
): Uint8Array {
  return toBinary(
    RepeatedSensorMeasurementsSchema,
    create(RepeatedSensorMeasurementsSchema, { measurements: [...measurements], ...message }),
  );
}

/** The number of a sensor type that is not known yet. */
export const unknownSensorType = Math.max(...sensorTypes.map(({ number }) => number)) + 1;

/** A decimal value for a version-2 message. */
export function decimal(value: number) {
  return { case: "decimal", value } as const;
}

/** The verdicts of a version-2 answer, as [idx, error]. */
export function decodeVerdicts(body: Uint8Array): [number, number][] {
  const { responses } = fromBinary(RepeatedSensorResponsesSchema, body);
  return responses.map(({ idx, error }) => [idx, error]);
}

/** A webhook of The Things Stack for an uplink; `uplink` overrides what its message holds. */
export function webhook(uplink: object): object {
  return {
    end_device_ids: { device_id: "plot-7", dev_eui: "0080E1150000A001" },
    received_at: "2024-01-15T12:00:01.5Z",
    uplink_message: {
      f_cnt: 3,
      rx_metadata: [{ gateway_ids: { gateway_id: "roof" }, rssi: -98, snr: 4.5 }],
      received_at: "2024-01-15T12:00:00.9Z",
      ...uplink,
    },
  };
}

/** The `frm_payload` of some bytes. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

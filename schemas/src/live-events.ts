import { Type, type Static } from "typebox";
import { nullable } from "./fields.ts";

/** A place in what was stored: a short text, to be given back as it came. */
export const Cursor = Type.String({
  minLength: 1,
  maxLength: 64,
  description: "A cursor of an event or an answer, as it came: what was stored after it is meant",
  examples: ["2x-1f-a-0"],
});

/** `measurement_received`: what was stored of one measurement. */
export interface MeasurementReceived {
  /** A version-1 message ("power"), or a version-2 SensorType ("POWER_VOLTAGE"). */
  readonly type: string;
  readonly cellId: number;
  readonly loggerId: number | null;
  /** Unix seconds. */
  readonly timestamp: number;
  /** In the units of the form in which it was sent; null: the device sent no number. */
  readonly data: Readonly<Record<string, number | null>>;
  /** Always 0: older clients have it in their events. */
  readonly obj_count: 0;
  readonly cursor: string;
}

/** `readings_merged`: of what was stored in a cell between two cursors, only the newest of each type was told. */
export interface ReadingsMerged {
  readonly cellId: number;
  /** Measurements that were stored. */
  readonly count: number;
  /** The cursors between which `/readings/since` gives all of them. */
  readonly since: string;
  readonly until: string;
  readonly cursor: string;
}

const ReadingSince = Type.Object(
  {
    cell_id: Type.Integer(),
    sensor: Type.String({ description: "As the parameter `sensors` of /readings names it" }),
    name: Type.String(),
    measurement: Type.String(),
    unit: Type.String(),
    timestamp: Type.Number({ description: "Unix seconds, by the device's clock" }),
    value: nullable(Type.Number()),
    logger_id: nullable(Type.Integer()),
    received_at: Type.Number({ description: "Unix seconds, by the server's clock" }),
  },
  { title: "ReadingSince" },
);

/** What was stored since a cursor, in the order in which it was; `cursor={cursor}` goes on. */
export const ReadingsSince = Type.Object(
  {
    readings: Type.Array(ReadingSince),
    cursor: Type.String(),
    more: Type.Boolean({ description: "Whether there is more: ask again, with this cursor" }),
  },
  {
    title: "ReadingsSince",
    examples: [
      {
        readings: [
          {
            cell_id: 1,
            sensor: "power.v",
            name: "POWER_VOLTAGE",
            measurement: "Voltage",
            unit: "mV",
            timestamp: 1704067200,
            value: 850,
            logger_id: 1,
            received_at: 1704067201.5,
          },
        ],
        cursor: "2x-1f-a-0",
        more: false,
      },
    ],
  },
);
export type ReadingsSince = Static<typeof ReadingsSince>;

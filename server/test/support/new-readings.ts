import { sensorType } from "@ents-backend/schemas/sensor";
import type { NewReading, Written } from "../../src/timeseries/write.ts";

export const temperature = sensorType("BME280_TEMP");
/** When they came: Unix seconds. */
export const receivedAt = 1_705_363_200;
/** What becomes of no readings. */
export const nothing: Written = { stored: 0, repeated: 0, conflicting: 0 };

/** A reading of a cell, to be written; `more` says what is special about it. */
export function reading(cellId: number, more: Partial<NewReading> = {}): NewReading {
  return {
    cellId,
    stream: temperature,
    dataType: "float",
    ts: 1_705_316_400,
    value: 1.5,
    receivedAt,
    loggerId: 7,
    ...more,
  };
}

import { KnownError, type ErrorKind } from "../lib/errors.ts";

/** What a node is told of one measurement. Source: the hardware's SensorError enumeration. */
export const SensorError = {
  ok: 0,
  general: 1,
  logger: 2,
  cell: 3,
  unsupported: 4,
  invalid: 5,
  decode: 6,
} as const;
export type SensorError = (typeof SensorError)[keyof typeof SensorError];

/** What became of one measurement of a message; `idx` is the node's own number for it. */
export interface SensorVerdict {
  readonly idx: number;
  readonly error: SensorError;
}

/** An upload that can't be placed: answered with the reason, and kept in quarantine. */
export class Refusal extends KnownError {
  readonly sensorError: SensorError;
  /** One for each measurement of the message, in order, as far as it could be read. */
  verdicts: readonly SensorVerdict[];

  constructor(
    kind: ErrorKind,
    code: string,
    sensorError: SensorError,
    message: string,
    options?: ErrorOptions,
  ) {
    super(kind, code, message, options);
    this.name = "Refusal";
    this.sensorError = sensorError;
    this.verdicts = [{ idx: 0, error: sensorError }];
  }
}

export const undecodable = (what: string, cause: unknown) =>
  new Refusal("invalid", "undecodable", SensorError.decode, `the body is not ${what}`, { cause });

export const invalidMeasurement = (why: string) =>
  new Refusal("invalid", "invalid_measurement", SensorError.invalid, why);

export const unsupportedSensor = (type: number) =>
  new Refusal(
    "invalid",
    "unsupported_sensor",
    SensorError.unsupported,
    `sensor type ${type} is not known here`,
  );

export const unknownPort = (port: number) =>
  new Refusal(
    "not_found",
    "unknown_port",
    SensorError.unsupported,
    `f_port not recognized: ${port}`,
  );

export const unknownCell = (cell: string) =>
  new Refusal("invalid", "unknown_cell", SensorError.cell, `there is no cell ${cell}`);

export const closedCell = (cell: string) =>
  new Refusal(
    "unauthenticated",
    "upload_key_required",
    SensorError.cell,
    `cell ${cell} takes uploads with a key only`,
  );

export const forbiddenCell = (cell: string) =>
  new Refusal(
    "forbidden",
    "upload_forbidden",
    SensorError.cell,
    `this key or user may not upload to cell ${cell}`,
  );

export const otherLogger = (logger: string) =>
  new Refusal(
    "forbidden",
    "other_logger",
    SensorError.logger,
    `this upload key belongs to another logger than ${logger}`,
  );

export const tooManySensors = (cell: number, limit: number) =>
  new Refusal(
    "invalid",
    "too_many_sensors",
    SensorError.unsupported,
    `cell ${cell} has ${limit} sensors, and no more are made for it`,
  );

export const unknownUploadKey = () =>
  new Refusal(
    "unauthenticated",
    "unknown_upload_key",
    SensorError.cell,
    "this upload key is not known, or has been replaced",
  );

export const unknownFormat = (contentType: string) =>
  new Refusal(
    "unsupported_media_type",
    "unsupported_media_type",
    SensorError.decode,
    contentType === ""
      ? "the upload has no Content-Type"
      : `uploads of type ${contentType} are not taken here`,
  );

/**
 * The first fault, if there is one, with a verdict for every measurement: a message is taken whole or not at all.
 *
 * @param measurements with the node's own numbers for them
 */
export function refusalIfAny<Item extends { readonly idx: number }>(
  measurements: readonly Item[],
  findFault: (measurement: Item, at: number) => Refusal | undefined,
): Refusal | undefined {
  // Nearly all messages are without one, and this is asked of every one.
  const at = measurements.findIndex((measurement, nth) => findFault(measurement, nth));
  if (at < 0) return undefined;
  const faults = measurements.map(findFault);
  const first = faults[at]!;
  first.verdicts = measurements.map(({ idx }, nth) => ({
    idx,
    error: faults[nth]?.sensorError ?? SensorError.ok,
  }));
  return first;
}

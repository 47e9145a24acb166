import { CellNumber, Label, LoggerNumber } from "@ents-backend/schemas/fields";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import type { About } from "../store/quarantine.ts";
import { formBody, jsonBody } from "./codecs/by-name.ts";
import { codecs, type Format } from "./codecs/codecs.ts";
import { parseJson } from "./codecs/parse.ts";
import { MeasurementSchema } from "./codecs/proto/measurement_pb.js";
import { RepeatedSensorMeasurementsSchema } from "./codecs/proto/sensor_pb.js";
import { isWebhook } from "./codecs/webhook.ts";
import { decodeMessage } from "./codecs/wire.ts";
import { numbersAndNames } from "./directory.ts";
import type { Decoded, Reference } from "./uplink.ts";

/** The cell and the logger that a measurement names. */
interface Named {
  readonly cell?: Reference | undefined;
  readonly logger?: Reference | undefined;
}

/** A message that names more is nobody's alone, and would cost as much to find as thousands of others. */
const mostCells = 100;

/**
 * What a payload is about: as its codec reads it, or else as far as anything of it can be read, so that the owner of a
 * cell finds what a sensor from the future sent for it.
 */
export function findReferences(format: Format | undefined, payload: Uint8Array): About {
  const decoded = format && attempt(() => codecs[format](payload));
  const named = decoded ? namedIn(decoded) : glimpse(format, payload);
  const [cellIds, cellNames] = numbersAndNames(named.map(({ cell }) => cell));
  const [loggerNumbers] = numbersAndNames(named.map(({ logger }) => logger));
  const legible = cellIds.length + cellNames.length <= mostCells;
  return {
    decodes: decoded !== undefined,
    cellIds: legible ? cellIds : [],
    cellNames: legible ? cellNames : [],
    loggerNumbers: legible ? loggerNumbers.slice(0, mostCells) : [],
    deviceEui: format === "json" ? findDevice(payload) : undefined,
  };
}

function namedIn(decoded: Decoded): readonly Named[] {
  return "measurements" in decoded ? decoded.measurements : [];
}

/** What is said of cells and loggers in a payload that its codec refuses. */
function glimpse(format: Format | undefined, payload: Uint8Array): Named[] {
  if (format === undefined) return [];
  return attempt(() => glimpses[format](payload)) ?? [];
}

const glimpses: Readonly<Record<Format, (payload: Uint8Array) => Named[]>> = {
  "measurement/v1": glimpseMessage,
  "measurement/v2": glimpseMessage,
  json: (payload) => glimpseJson(parseJson(payload)),
  "power/json": (payload) => glimpseNames(jsonBody(payload)),
  "power/form": (payload) => glimpseNames(formBody(payload)),
  "teros/json": (payload) => glimpseNames(jsonBody(payload)),
  "teros/form": (payload) => glimpseNames(formBody(payload)),
};

function glimpseMessage(payload: Uint8Array): Named[] {
  const one = attempt(() => decodeMessage(MeasurementSchema, payload));
  if (one?.meta) return [toNamed(one.meta)];
  const { meta, measurements } = decodeMessage(RepeatedSensorMeasurementsSchema, payload);
  const metas = measurements.map((measurement) => measurement.meta ?? meta);
  return metas.flatMap((own) => (own ? [toNamed(own)] : []));
}

function toNamed({ cellId, loggerId }: { cellId: number; loggerId: number }): Named {
  return { cell: { id: cellId }, logger: { id: loggerId } };
}

const webhookWith = Compile(
  Type.Object({ uplink_message: Type.Object({ frm_payload: Type.String() }) }),
);
const plainWithCell = Compile(Type.Object({ cellId: CellNumber }));
const plainWithLogger = Compile(Type.Object({ loggerId: LoggerNumber }));
const namedWithCell = Compile(Type.Object({ cell: Label }));

function glimpseJson(body: unknown): Named[] {
  if (webhookWith.Check(body))
    return glimpseMessage(Buffer.from(body.uplink_message.frm_payload, "base64"));
  if (isWebhook(body) || !plainWithCell.Check(body)) return [];
  const logger = plainWithLogger.Check(body) ? { id: body.loggerId } : undefined;
  return [{ cell: { id: body.cellId }, logger }];
}

function glimpseNames(body: unknown): Named[] {
  return namedWithCell.Check(body) ? [{ cell: { name: body.cell.trim() } }] : [];
}

const webhookOfDevice = Compile(
  Type.Object({
    end_device_ids: Type.Object({ dev_eui: Type.String({ pattern: "^[0-9A-Fa-f]{16}$" }) }),
  }),
);

function findDevice(payload: Uint8Array): string | undefined {
  const body = attempt(() => parseJson(payload));
  return webhookOfDevice.Check(body) ? body.end_device_ids.dev_eui.toUpperCase() : undefined;
}

/** What is read, unless that fails: an upload is kept whatever is found of it. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Label } from "@ents-backend/schemas/fields";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { requireReadable } from "../auth/access.ts";
import type { Format } from "../ingest/codecs/codecs.ts";
import { findSensors, streamKey } from "../timeseries/sensors.ts";
import { gap } from "../http/columnar.ts";
import { compressed } from "../http/compression.ts";
import type { ReadingDeps } from "../http/deps.ts";
import { isVersion2, type Door } from "../http/door.ts";
import { CellParameter, ReadingQuery, Resampled, Timestamps, Values } from "../http/query.ts";
import { sendSpan } from "../http/span.ts";
import { anyUpload, Json, nodeAnswers } from "../http/upload-schemas.ts";

const SensorQuery = Type.Interface([ReadingQuery], {
  name: Type.String({ ...Label, description: "the sensor's", examples: ["BME280_TEMP"] }),
  cellId: CellParameter,
  measurement: Type.String({ ...Label, examples: ["Temperature"] }),
});

const SensorReadings = Type.Object(
  {
    timestamp: Timestamps,
    data: Values,
    measurement: Type.String(),
    unit: Type.String(),
    type: Type.String(),
    min: Type.Optional(Values),
    max: Type.Optional(Values),
    resample: Type.Optional(Resampled),
  },
  {
    title: "SensorReadings",
    examples: [
      {
        timestamp: ["Mon, 01 Jan 2024 00:00:00 GMT"],
        data: [21],
        measurement: "Temperature",
        unit: "C",
        type: "float",
      },
    ],
  },
);

/** Where devices upload, and The Things Stack for them. */
export const sensorDoor: Door = {
  url: "/sensor",
  described: {
    operationId: "upload",
    summary: "Uploads a measurement, as nodes and The Things Stack do",
    takes: anyUpload,
    answers: nodeAnswers,
  },
  formatOf: formatOfUpload,
};

export const sensorJsonDoor: Door = {
  url: "/sensor_json",
  described: {
    operationId: "uploadJson",
    summary: "The same, in JSON alone",
    takes: { "application/json": Json },
    answers: nodeAnswers,
  },
  formatOf: (type) => (type === "application/json" ? "json" : undefined),
};

/** `/sensor` and `/sensor_json`: one stream of a cell. */
export const sensor: FastifyPluginAsyncTypebox<{ deps: ReadingDeps }> = async (app, { deps }) => {
  const readings = { querystring: SensorQuery, response: { 200: SensorReadings } };
  for (const [url, operationId] of paths) {
    const summary = "One sensor of a cell";
    const schema = { operationId, summary, problems: ["not_found"] as const, ...readings };
    app.get(url, { ...compressed, schema }, async ({ query, caller }, reply) => {
      const { name, measurement, cellId } = query;
      await requireReadable(deps.db, caller, cellId);
      const sensors = await findSensors(deps.reads, cellId, [{ name, measurement }]);
      const found = sensors.get(streamKey({ name, measurement }));
      return await sendSpan(deps, reply, query, {
        columns: [{ sensorId: found?.id }],
        members: {
          data: gap,
          measurement: found?.measurement ?? "",
          unit: found?.unit ?? "",
          type: found?.data_type ?? "",
        },
        bounds: gap,
      });
    });
  }
};

const paths = [
  ["/sensor", "readSensor"],
  ["/sensor_json", "readSensorJson"],
] as const;

/** The format of an upload in one of these types. */
export function formatOfUpload(type: string, request: FastifyRequest): Format | undefined {
  if (type === "application/json") return "json";
  if (type !== "application/octet-stream") return undefined;
  return isVersion2(request) ? "measurement/v2" : "measurement/v1";
}

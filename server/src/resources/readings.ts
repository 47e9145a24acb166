import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";
import { hour_s } from "../lib/duration.ts";
import { readDirectoryVersion } from "../store/directory.ts";
import { measure, type Measured } from "../timeseries/measure.ts";
import type { Range } from "../timeseries/resample.ts";
import { resolveMeasured, type Resolved } from "../timeseries/resolve.ts";
import { fitAtOnce, readSeries, type Series } from "../timeseries/series.ts";
import {
  fill,
  joinTexts,
  sendJson,
  gap,
  splitAtGaps,
  toStream,
  writeTable,
} from "../http/columnar.ts";
import { compressed } from "../http/compression.ts";
import type { ReadingDeps } from "../http/deps.ts";
import { hasTag, weakTag } from "../http/etag.ts";
import { findSought, type Sought } from "../http/sought.ts";
import {
  EndTime,
  Resampled,
  StartTime,
  Thinning,
  Timestamps,
  toQuery,
  toRange,
  Values,
} from "../http/query.ts";

const SeriesQuery = Type.Interface(
  [Thinning],
  {
    cells: Type.String({
      maxLength: 2_000,
      examples: ["1,2"],
      description:
        "Numbers of cells: 1,2. Those that don't exist, or aren't the caller's to read, are left out",
    }),
    sensors: Type.Optional(
      Type.String({
        maxLength: 12_000,
        description:
          "power.v, power.i, power.p, teros12.vwc, teros12.temp, teros12.ec, teros12.raw_vwc, a SensorType " +
          "(BME280_TEMP) or name.measurement (bme280.temperature), with commas between them; default: all",
      }),
    ),
    start: StartTime,
    end: EndTime,
  },
  { additionalProperties: false },
);

const Readings = Type.Object(
  {
    resample: Resampled,
    series: Type.Array(
      Type.Object({
        cell_id: Type.Integer(),
        sensor: Type.String({ description: "As the query names it" }),
        unit: Type.String(),
        timestamp: Timestamps,
        value: Values,
        min: Type.Optional(Values),
        max: Type.Optional(Values),
      }),
    ),
  },
  {
    title: "Readings",
    examples: [
      {
        resample: "hour",
        series: [
          { cell_id: 1, sensor: "power.p", unit: "uW", timestamp: [1704067200], value: [102] },
        ],
      },
    ],
  },
);

const Unchanged = Type.Unsafe<undefined>({
  type: "null",
  description: "What `If-None-Match` names is still the answer",
});

/** `/readings`: any sensors of any cells, each over a time axis of its own. */
export const readings: FastifyPluginAsyncTypebox<{ deps: ReadingDeps }> = async (app, { deps }) => {
  const schema = {
    operationId: "readReadings",
    summary: "Any sensors of any cells, each over a time axis of its own",
    querystring: SeriesQuery,
    response: { 200: Readings, 304: Unchanged },
  };
  app.get("/readings", { ...compressed, schema }, async ({ query, caller, headers }, reply) => {
    const sought = await findSought(deps, caller, query);
    const range = toRange(["start", query.start], ["end", query.end], deps.clock());
    const asked = toQuery(query, range, "unix");
    const version = await readDirectoryVersion(deps.reads);
    const measured = await measure(deps.reads, idsOf(sought), range);
    const resolved = await resolveMeasured(deps.reads, measured, asked);

    const tag = weakTag([
      version,
      sought,
      query.tz,
      seen(resolved),
      hoursOf(range),
      countReadings(measured),
    ]);
    reply.headers({ ETag: tag, "Cache-Control": "private, no-cache", Vary: dependsOn });
    if (hasTag(headers["if-none-match"], tag)) return reply.code(304).send();

    const series = readSeries(deps.reads, measured, resolved);
    const texts = writeSeries(sought, resolved, series);
    if (!fitAtOnce(measured, resolved)) return sendJson(reply, toStream(texts));
    return sendJson(reply, await joinTexts(texts));
  });
};

const dependsOn = "Accept-Encoding, Authorization, Origin, X-API-Key";

function idsOf(sought: readonly Sought[]): number[] {
  return sought.map(({ id }) => id);
}

/** What of a resolved query makes the answer another one. */
function seen({ range, resample, envelope, timestamps }: Resolved): unknown[] {
  return [range, resample, envelope, timestamps];
}

/** Which hours are counted: a span that slides leaves some behind, as others come. */
function hoursOf({ start, end }: Range): number[] {
  return [start, end].map((at) => Math.floor(at / hour_s));
}

/** A number that grows with every reading in the hours that the query touches. */
function countReadings(measured: readonly Measured[]): number {
  return measured.reduce((sum, { readings: count }) => sum + count, 0);
}

/** The text of an answer, series after series. */
async function* writeSeries(
  sought: readonly Sought[],
  { resample, envelope }: Resolved,
  series: AsyncIterable<Series>,
): AsyncGenerator<string> {
  const [head, tail] = splitAtGaps({ resample, series: gap });
  const byId = new Map(sought.map((sensor) => [sensor.id, sensor]));
  yield head!;
  let comma = "";
  for await (const one of series) {
    const { cell_id, name, unit } = byId.get(one.sensorId)!;
    const bounds = envelope ? { min: gap, max: gap } : {};
    const frames = splitAtGaps({
      cell_id,
      sensor: name,
      unit,
      timestamp: gap,
      value: gap,
      ...bounds,
    });
    yield comma;
    if ("whole" in one) yield fill(frames, one.whole);
    else yield* writeTable(frames, one.chunks);
    comma = ",";
  }
  yield tail!;
}

import { Readable } from "node:stream";
import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { ExportParams } from "@ents-backend/schemas/export";
import type { FastifyReply } from "fastify";
import { Type, type Static } from "typebox";
import { readerOf } from "../auth/access.ts";
import { writeExport, type ExportDeps } from "../exports/export.ts";
import { describeFile } from "../exports/file.ts";
import { prepareExport, type ExportQuery } from "../exports/request.ts";
import { boundValues } from "../exports/size.ts";
import { defineError } from "../lib/errors.ts";
import { Slots } from "../lib/slots.ts";
import { resamples } from "../timeseries/resample.ts";
import { compressed } from "./compression.ts";
import type { ReadingDeps } from "./deps.ts";
import { parseCells, parseNames } from "./sought.ts";

/** Beyond these, an export is a task: it goes on when a connection breaks, and doesn't keep one of the few for reading. */
const mostValues = 2_000_000;
const mostAtOnce = 2;
const mostWaiting = 50;
const longest_ms = 10 * 60_000;
const retryAfter_s = 30;

const exportTooLarge = defineError(
  "too_large",
  "export_too_large",
  "these are {count} values, and a download has {most} at most: ask for fewer or for means, or POST /api/tasks with the kind export",
);
const tooManyDownloads = defineError(
  "too_many_requests",
  "too_many_downloads",
  "others are downloading: try again soon, or POST /api/tasks with the kind export",
);

const time = "RFC 1123, ISO 8601 or Unix seconds, included; default: everything there is";
const DownloadQuery = Type.Object({
  cells: Type.String({ maxLength: 2_000, description: "Numbers of cells: 1,2" }),
  sensors: Type.Optional(
    Type.String({ maxLength: 25_000, description: "As for /readings; default: all" }),
  ),
  start: Type.Optional(Type.String({ description: time })),
  end: Type.Optional(Type.String({ description: time })),
  resample: Type.Optional(
    Type.Enum([...resamples], { description: "Mean of each …; default: none, every reading" }),
  ),
  tz: Type.Optional(
    Type.String({ maxLength: 64, description: "Zone of days and longer; default: UTC" }),
  ),
  layout: Type.Optional(
    Type.Enum(["wide", "tidy"], {
      description: "A column for each sensor, or a row for each reading; default: wide",
    }),
  ),
});

/** `/export.csv`: what isn't too much, as a download. */
export const exportCsv: FastifyPluginAsyncTypebox<{ deps: ReadingDeps }> = async (
  app,
  { deps },
) => {
  const exporting: ExportDeps = { db: deps.reads, clock: deps.clock };
  const slots = new Slots(mostAtOnce, mostWaiting);

  async function* download(query: ExportQuery, signal: AbortSignal) {
    await slots.take(signal);
    try {
      yield* writeExport(exporting, query, { signal, report: () => undefined });
    } finally {
      slots.free();
    }
  }

  const schema = {
    produces: ["text/csv"],
    querystring: DownloadQuery,
    response: { 200: Type.Unsafe<Readable>({ type: "string" }) },
  };
  app.get("/export.csv", { ...compressed, schema }, async (request, reply) => {
    const query = await prepareExport(deps.db, readerOf(request.caller), toParams(request.query));
    const count = await boundValues(deps.reads, query);
    if (count > mostValues) throw exportTooLarge({ count, most: mostValues });
    if (slots.isFull) throw Object.assign(tooManyDownloads(), { retryAfter_s });
    const { name, mediaType } = describeFile(query);
    reply.type(mediaType).headers({
      "Content-Disposition": `attachment; filename="${name}"`,
      "Cache-Control": "private, no-cache",
    });
    if (request.method === "HEAD") return reply.send(Readable.from([]));
    const pieces = download(query, patienceWith(reply));
    return reply.send(Readable.from(pieces, { highWaterMark: 2 }));
  });
};

/** Is aborted when the client goes away, or takes so long that the database has to be let go of. */
function patienceWith({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once("close", () => gone.abort());
  return AbortSignal.any([gone.signal, AbortSignal.timeout(longest_ms)]);
}

function toParams({
  cells,
  sensors,
  layout,
  ...query
}: Static<typeof DownloadQuery>): ExportParams {
  return {
    ...query,
    cells: parseCells(cells),
    ...(sensors !== undefined && { sensors: parseNames(sensors) }),
    format: layout === "tidy" ? "csv-tidy" : "csv",
  };
}

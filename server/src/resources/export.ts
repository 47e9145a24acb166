import { addAbortSignal, Readable } from "node:stream";
import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { ExportParams } from "@ents-backend/schemas/export";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import { readerOf } from "../auth/access.ts";
import { writeExport, type ExportDeps } from "../exports/export.ts";
import { describeFile } from "../exports/file.ts";
import { prepareExport, type ExportQuery } from "../exports/request.ts";
import { boundValues } from "../exports/size.ts";
import { defineError } from "../lib/errors.ts";
import { networkOf } from "../lib/network.ts";
import { Slots } from "../lib/slots.ts";
import { resamples } from "../timeseries/resample.ts";
import { compressed } from "../http/compression.ts";
import type { ReadingDeps } from "../http/deps.ts";
import { parseCells, parseNames } from "../http/sought.ts";

/** Beyond these, an export is a task: it goes on when a connection breaks, and doesn't keep one of the few for reading. */
const mostValues = 2_000_000;
const downloads = { count: 2, mostWaiting: 50, mostWaitingEach: 5 };
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

export interface DownloadLimits {
  /** How long a reader who takes nothing of a download is waited for. */
  readonly readerPatience_ms: number;
}

const time = "RFC 1123, ISO 8601 or Unix seconds, included; default: everything there is";
const DownloadQuery = Type.Object(
  {
    cells: Type.String({
      maxLength: 2_000,
      description: "Numbers of cells: 1,2",
      examples: ["1,2"],
    }),
    sensors: Type.Optional(
      Type.String({ maxLength: 12_000, description: "As for /readings; default: all" }),
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
  },
  { additionalProperties: false },
);

/** `/export.csv`: what isn't too much, as a download. */
export const exportCsv: FastifyPluginAsyncTypebox<{
  deps: ReadingDeps;
  limits: DownloadLimits;
}> = async (app, { deps, limits }) => {
  const exporting: ExportDeps = { db: deps.reads, clock: deps.clock };
  const slots = new Slots(downloads);

  async function* download(query: ExportQuery, who: string, over: AbortController) {
    const { signal } = over;
    await slots.take(who, signal);
    try {
      const pieces = writeExport(exporting, query, { signal, report: () => undefined });
      yield* watchReader(pieces, limits.readerPatience_ms, () => over.abort());
    } finally {
      slots.free(who);
    }
  }

  const schema = {
    operationId: "exportCsv",
    summary: "Readings as a CSV file",
    problems: ["not_found", "too_large"] as const,
    produces: ["text/csv"],
    querystring: DownloadQuery,
    response: { 200: Type.Unsafe<Readable>({ type: "string" }) },
  };
  app.get("/export.csv", { ...compressed, schema }, async (request, reply) => {
    const query = await prepareExport(deps.db, readerOf(request.caller), toParams(request.query));
    const count = await boundValues(deps.reads, query);
    if (count > mostValues) throw exportTooLarge({ count, most: mostValues });
    const who = nameOf(request);
    if (slots.isFullFor(who)) throw Object.assign(tooManyDownloads(), { retryAfter_s });
    const { name, mediaType } = describeFile(query);
    reply.type(mediaType).headers({
      "Content-Disposition": `attachment; filename="${name}"`,
      "Cache-Control": "private, no-cache",
    });
    if (request.method === "HEAD") return reply.send(Readable.from([]));
    const over = patienceWith(reply);
    const pieces = download(query, who, over);
    const body = Readable.from(pieces, { highWaterMark: 2 });
    // What waits for its reader hears of nothing else.
    return reply.send(addAbortSignal(over.signal, body));
  });
};

/** Is aborted when the client goes away, or takes so long that the database has to be let go of. */
function patienceWith({ raw }: FastifyReply): AbortController {
  const over = new AbortController();
  const impatience = setTimeout(() => over.abort(), longest_ms);
  raw.once("close", () => {
    clearTimeout(impatience);
    over.abort();
  });
  return over;
}

/** Passes pieces on, and gives up a reader who takes none for too long. */
async function* watchReader(
  pieces: AsyncIterable<Uint8Array>,
  patience_ms: number,
  giveUp: () => void,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    const impatience = setTimeout(giveUp, patience_ms);
    try {
      yield piece;
    } finally {
      clearTimeout(impatience);
    }
  }
}

/** Who downloads, so that nobody keeps others from it: a user, or whoever has an address. */
function nameOf({ caller, ip }: FastifyRequest): string {
  return readerOf(caller).userId ?? networkOf(ip);
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

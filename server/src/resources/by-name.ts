import type { FastifyRequest } from "fastify";
import { formBody, jsonBody } from "../ingest/codecs/by-name.ts";
import { Type, type TObject } from "typebox";
import type { Format } from "../ingest/codecs/codecs.ts";
import { formatNaive } from "../lib/time.ts";
import type { Stored } from "../ingest/ingest.ts";
import type { FormatOf } from "../http/door.ts";
import { mediaType } from "../http/media-type.ts";

const form = "application/x-www-form-urlencoded";

/** What the older doors take: the same in JSON, where what is optional may be null, and in a form. */
export function namedTypes(title: string, { properties, ...others }: TObject) {
  const required: readonly string[] = others.required ?? [];
  const nullable = Object.entries(properties).map(([key, property]) => [
    key,
    required.includes(key) ? property : Type.Optional(Type.Union([property, Type.Null()])),
  ]);
  return {
    "application/json": Type.Object(Object.fromEntries(nullable), { title }),
    [form]: Type.Object(properties, { title: `${title}Form` }),
  };
}

/** The older doors, which name cells and loggers, take JSON and forms. */
export function jsonOrForm(json: Format, formEncoded: Format): FormatOf {
  return (type) => {
    if (type === "application/json") return json;
    return type === form ? formEncoded : undefined;
  };
}

/** The values of an accepted upload as they were sent: a number, or null for an absent key. */
export function sentValues(request: FastifyRequest): (key: string) => number | null {
  const parse = mediaType(request) === form ? formBody : jsonBody;
  const sent = parse(request.body as Buffer) as Readonly<Record<string, number>>;
  return (key) => sent[key] ?? null;
}

/**
 * What the older doors answer beside the values. A reading has no number of its own here: `id` is its instant,
 * which together with its stream tells it from all others.
 */
export function receipt({ measurements, receivedAt }: Stored): {
  id: number;
  ts: string;
  ts_server: string;
} {
  const { ts } = measurements[0]!;
  return {
    id: Math.floor(ts),
    ts: formatNaive(ts),
    ts_server: formatNaive(receivedAt),
  };
}

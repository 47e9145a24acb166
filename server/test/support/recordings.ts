import { readFileSync } from "node:fs";
import type { InjectOptions } from "fastify";

/** One request and the answer that an earlier server gave it. */
export interface Recording {
  readonly name: string;
  readonly request: {
    readonly method: "GET" | "POST" | "PUT" | "DELETE";
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly json?: object;
    readonly form?: Readonly<Record<string, string | number>>;
    /** The body's bytes. */
    readonly hex?: string;
    readonly auth?: string;
    readonly authorization?: string;
  };
  readonly response: {
    readonly status: number;
    readonly json?: unknown;
    readonly text?: string;
    readonly hex?: string;
  };
}

/**
 * What was recorded, one request after the other: of a server whose cells were there already, and of one that was empty,
 * where people made cells, shared and tagged them.
 */
export const recordingSets = ["recordings.jsonl", "recordings-from-empty.jsonl"].map((file) => ({
  file,
  recordings: readLines<Recording>(file),
}));

/** The lines of a file of fixtures, each of which is JSON. */
export function readLines<Line>(file: string): Line[] {
  return readFileSync(new URL(`../fixtures/${file}`, import.meta.url), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

/** A recorded request, for `inject`. */
export function toInject({ request }: Recording): InjectOptions {
  const { method, path, headers } = request;
  const payload = toBody(request);
  return { method, url: path, headers, ...(payload === undefined ? {} : { payload }) };
}

function toBody({ json, form, hex }: Recording["request"]): string | Buffer | undefined {
  if (json !== undefined) return JSON.stringify(json);
  if (hex !== undefined) return Buffer.from(hex, "hex");
  if (form === undefined) return undefined;
  const fields = Object.entries(form).map(([key, value]): [string, string] => [key, String(value)]);
  return new URLSearchParams(fields).toString();
}

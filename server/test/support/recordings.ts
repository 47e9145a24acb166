import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
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

/** The recordings of this repository, and the larger set that may lie beside it. */
const files = ["../fixtures/recordings.jsonl", "../../../../shared/contract/recorded.jsonl"]
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .filter(existsSync);

/** Every set of recordings that is there, one request after the other. */
export const recordingSets = files.map((path) => ({
  file: basename(path),
  recordings: readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Recording),
}));

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

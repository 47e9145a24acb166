import { Type, type Static } from "typebox";
import { Value } from "typebox/value";
import { defineError } from "../../lib/errors.ts";

/** The form that backups are written in; a reader of it takes no later one. */
export const formatVersion = 1;

const Name = Type.String({ minLength: 1, maxLength: 63 });

/** What a backup says about itself, first of all. */
export const Manifest = Type.Object({
  format: Type.Literal("ents-backend backup"),
  version: Type.Integer({ minimum: 1 }),
  /** Of the product and of the server that it was made with. */
  product: Type.String(),
  postgres: Type.String(),
  /** ISO 8601: what was committed by then is in it. */
  created_at: Type.String(),
  /** The form of the tables: the names of the migrations that made it. */
  migrations: Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
  /** In the order in which they refer to each other: what is referred to comes first. */
  tables: Type.Array(
    Type.Object({
      name: Name,
      columns: Type.Array(Name, { minItems: 1 }),
      /** The last number that was given, of each column that is numbered by itself. */
      counters: Type.Record(Name, Type.Integer()),
    }),
  ),
});
export type Manifest = Static<typeof Manifest>;

/** How many rows of each table there are, after the last of them. */
export const Totals = Type.Record(Name, Type.Integer({ minimum: 0 }));
export type Totals = Static<typeof Totals>;

export const fileNames = {
  readme: "README.txt",
  manifest: "manifest.json",
  totals: "totals.json",
  checksums: "SHA256SUMS",
} as const;

/** The name of a table's nth part, from 1. */
export function partName(table: string, nth: number): string {
  return `${table}/${String(nth).padStart(6, "0")}.tsv.gz`;
}

export const readme = `A backup of ents-backend: \`ents-backend restore\` takes it back into an empty database.

It can also be read without that program. It is a tar archive; after \`tar xf\`:
  sha256sum -c SHA256SUMS      checks that every file is whole
  manifest.json                when it was made, its tables and their columns
  TABLE/*.tsv.gz               a table's rows: zcat TABLE/*.tsv.gz
  totals.json                  how many rows each table has

Rows are in the text format of PostgreSQL's COPY: a line each, tabs between the columns of the manifest, \\N for null,
backslash escapes, UTF-8; times are in UTC. The file has e-mail addresses and hashes of passwords and keys in it.
`;

const noManifest = defineError(
  "invalid",
  "not_a_backup",
  "this is no backup of ents-backend, or its beginning was altered",
);
const newerFormat = defineError(
  "invalid",
  "backup_too_new",
  "this backup was made by a newer ents-backend ({product}): update this one first",
);

/** @throws KnownError when it isn't a backup's, or is one of a later form */
export function parseManifest(body: Buffer): Manifest {
  const value = parseJson(body);
  if (!Value.Check(Manifest, value)) throw noManifest();
  if (value.version > formatVersion) throw newerFormat(value);
  return value;
}

/** @throws KnownError when it isn't a backup's */
export function parseTotals(body: Buffer): Totals {
  const value = parseJson(body);
  if (!Value.Check(Totals, value)) throw noManifest();
  return value;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw noManifest();
  }
}

import { sql, type RawBuilder } from "kysely";

/**
 * Readings as the inside of JSON lists, values between commas: PostgreSQL writes them, so that neither uploads nor
 * other readers wait while this process turns rows into text.
 */
export interface Chunk {
  /** Instants; empty when there are none. */
  readonly timestamp: string;
  /** For each column as many values, or nulls. */
  readonly columns: readonly string[];
  /** Whether nothing comes after it. */
  readonly last: boolean;
}

/** The texts of a chunk as PostgreSQL answers them: columns by their place, `c0`, `c1` … */
export interface ChunkRow extends Readonly<Record<`c${number}`, string>> {
  readonly timestamp: string;
}

/** What makes the texts of `t` and each of the columns of rows that have an order: a `ChunkRow`. */
export function listColumns(count: number): RawBuilder<unknown> {
  const texts = Array.from({ length: count }, (_, at) => {
    const name = sql.ref(`c${at}`);
    return sql`coalesce(string_agg(coalesce(${name}::text, 'null'), ','), '') as ${name}`;
  });
  return sql`coalesce(string_agg(t, ','), '') as timestamp, ${sql.join(texts)}`;
}

/** A chunk from the row that PostgreSQL answers for it. @param count how many columns it has beside the instants */
export function toChunk(row: ChunkRow, count: number): Omit<Chunk, "last"> {
  const columns = Array.from({ length: count }, (_, at) => row[`c${at}`]!);
  return { timestamp: row.timestamp, columns };
}

/** Names columns by their place. */
export function nameColumns(columns: readonly RawBuilder<unknown>[]): RawBuilder<unknown> {
  return sql.join(columns.map((column, at) => sql`${column} as ${sql.ref(`c${at}`)}`));
}

/** How instants are written. Sources: RFC 1123, as HTTP dates; ISO 8601. */
export const timestampFormats = ["rfc1123", "iso", "unix"] as const;
export type TimestampFormat = (typeof timestampFormats)[number];

const patterns = {
  rfc1123: '"\\""Dy, DD Mon YYYY HH24:MI:SS "GMT\\""',
  iso: '"\\""YYYY-MM-DD"T"HH24:MI:SS.MS"Z\\""',
  isoWithMicroseconds: '"\\""YYYY-MM-DD"T"HH24:MI:SS.US"Z\\""',
} as const;

/** An instant as it stands in JSON. */
export function writeInstant(at: RawBuilder<unknown>, format: TimestampFormat): RawBuilder<string> {
  // Not "extract", which goes by way of decimals.
  if (format === "unix") return sql`date_part('epoch', ${at})::text`;
  if (format === "rfc1123") return sql`to_char(${at} at time zone 'UTC', ${patterns.rfc1123})`;
  return sql`to_char(${at} at time zone 'UTC', case when date_trunc('milliseconds', ${at}) = ${at}
    then ${patterns.iso} else ${patterns.isoWithMicroseconds} end)`;
}

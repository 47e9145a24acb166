import { CompiledQuery, type QueryResult } from "kysely";
import type { Db } from "./connect.ts";

/** The names by which connections know the statements that they have parsed. */
const names = new Map<string, string>();

/** The name of a statement that is to be parsed once for each connection; undefined: it is parsed each time. */
export function nameOf(text: string): string | undefined {
  return names.get(text);
}

/**
 * Makes a statement that is run so often that each connection parses it once only. To be called once for each text.
 *
 * @param text with $1, $2 … for its values
 */
export function prepared<Row>(
  text: string,
): (db: Db, values: readonly unknown[]) => Promise<QueryResult<Row>> {
  names.set(text, `ents_${names.size + 1}`);
  return async (db, values) => await db.executeQuery<Row>(CompiledQuery.raw(text, [...values]));
}

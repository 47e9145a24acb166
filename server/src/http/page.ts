import { Type, type Static, type TProperties } from "typebox";

/** What a query says of the page that it wants of a long list, the newest first. */
const pageParameters = {
  limit: Type.Optional(Type.Number({ minimum: 1, maximum: 1000, multipleOf: 1 })),
  before: Type.Optional(
    Type.Number({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      multipleOf: 1,
      description: "`next` of the answer before",
    }),
  ),
};

const PageWish = Type.Object(pageParameters);
export type PageWish = Static<typeof PageWish>;

/** A query for a page of a list, and what else it may say. */
export function pageQuery<Others extends TProperties>(others: Others) {
  return Type.Object({ ...others, ...pageParameters });
}

const defaultLimit = 100;

/** The rows to read: one more than is answered, to know whether there are any. */
export function toLimits({ limit = defaultLimit, before }: PageWish) {
  return { limit: limit + 1, before };
}

/**
 * The page that rows are, read as `toLimits` says.
 *
 * @returns the rows that it shows, and where the next page begins, or null when there is none
 */
export function toPage<Row>(
  rows: readonly Row[],
  { limit = defaultLimit }: PageWish,
  placeOf: (row: Row) => number,
): { readonly shown: readonly Row[]; readonly next: number | null } {
  const shown = rows.slice(0, limit);
  return { shown, next: rows.length > limit ? placeOf(shown.at(-1)!) : null };
}

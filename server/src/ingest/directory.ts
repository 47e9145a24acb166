import type { Reference } from "./uplink.ts";

/** What the database has of the cells or loggers that an upload refers to. */
export class Directory<Row extends { readonly id: number; readonly name: string }> {
  readonly rows: readonly Row[];
  readonly #byId: ReadonlyMap<number, Row>;
  readonly #byName: ReadonlyMap<string, Row>;

  constructor(rows: readonly Row[]) {
    this.rows = rows;
    this.#byId = new Map(rows.map((row) => [row.id, row]));
    this.#byName = new Map(rows.map((row) => [row.name.toLowerCase(), row]));
  }

  find(reference: Reference | undefined): Row | undefined {
    if (!reference) return undefined;
    return "id" in reference
      ? this.#byId.get(reference.id)
      : this.#byName.get(reference.name.toLowerCase());
  }
}

/** The numbers and the names among some references, each once. */
export function numbersAndNames(
  references: readonly (Reference | undefined)[],
): [ids: number[], names: string[]] {
  const [ids, names] = [new Set<number>(), new Set<string>()];
  for (const reference of references) {
    if (!reference) continue;
    if ("id" in reference) ids.add(reference.id);
    else names.add(reference.name);
  }
  return [[...ids], [...names]];
}

/** A reference as people are told it. */
export function describeReference(reference: Reference): string {
  return "id" in reference ? String(reference.id) : JSON.stringify(reference.name);
}

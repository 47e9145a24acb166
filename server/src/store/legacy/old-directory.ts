import type { OldDatabase, OldTable } from "./old-database.ts";

export interface OldUser {
  readonly id: string;
  readonly email: string | null;
  readonly first_name: string | null;
  readonly last_name: string | null;
}

export interface OldCell {
  readonly id: number;
  readonly name: string | null;
  readonly location: string | null;
  readonly latitude: number | null;
  readonly longitude: number | null;
  readonly user_id: string | null;
  readonly archive: boolean;
  readonly is_public: boolean;
}

export interface OldLogger {
  readonly id: number;
  readonly name: string | null;
  readonly type: string | null;
  readonly device_eui: string | null;
  readonly description: string | null;
  readonly date_created: Date | null;
  readonly user_id: string | null;
}

export interface OldTag {
  readonly id: number;
  readonly name: string | null;
  readonly description: string | null;
  readonly created_at: Date | null;
  readonly created_by: string | null;
}

export interface OldSensor {
  readonly id: number;
  readonly cell_id: number;
  readonly name: string;
  readonly measurement: string;
  readonly unit: string | null;
  readonly data_type: string | null;
}

/** All that the old backend knows but readings. Rows that name no id are not there, doubled ones once. */
export interface OldDirectory {
  readonly users: readonly OldUser[];
  readonly cells: readonly OldCell[];
  readonly loggers: readonly OldLogger[];
  readonly tags: readonly OldTag[];
  readonly shares: readonly { readonly cell_id: number; readonly user_id: string }[];
  readonly taggings: readonly { readonly cell_id: number; readonly tag_id: number }[];
  readonly sensors: readonly OldSensor[];
}

/** Reads all of it; tables and columns that aren't there hold nothing. */
export async function readOldDirectory(old: OldDatabase): Promise<OldDirectory> {
  return {
    users: await read<OldUser>(old, "user", ["id"], {
      id: text,
      email: text,
      first_name: text,
      last_name: text,
    }),
    cells: await read<OldCell>(old, "cell", ["id"], {
      id: integer,
      name: text,
      location: text,
      latitude: number,
      longitude: number,
      user_id: text,
      archive: (column) => `coalesce(${column}::bool, false)`,
      is_public: (column) => `coalesce(${column}::bool, true)`,
    }),
    loggers: await read<OldLogger>(old, "logger", ["id"], {
      id: integer,
      name: text,
      type: text,
      device_eui: text,
      description: text,
      // The old backend writes this one in UTC, wherever its server ran.
      date_created: () => finite(old.instant("logger", "date_created", "UTC")),
      user_id: text,
    }),
    tags: await read<OldTag>(old, "tag", ["id"], {
      id: integer,
      name: text,
      description: text,
      created_at: () => finite(old.instant("tag", "created_at")),
      created_by: text,
    }),
    shares: await read<OldDirectory["shares"][number]>(old, "cell_user", ["cell_id", "user_id"], {
      cell_id: integer,
      user_id: text,
    }),
    taggings: await read<OldDirectory["taggings"][number]>(old, "cell_tag", ["cell_id", "tag_id"], {
      cell_id: integer,
      tag_id: integer,
    }),
    sensors: await read<OldSensor>(old, "sensor", ["id", "cell_id", "name", "measurement"], {
      id: integer,
      cell_id: integer,
      name: text,
      measurement: text,
      unit: text,
      data_type: text,
    }),
  };
}

/** What is asked for, by the column that it stands in, in SQL. */
type Expression = (column: string) => string;

const text: Expression = (column) => `${column}::text`;
const integer: Expression = (column) => `${column}::int4`;
const number: Expression = (column) => `${column}::float8`;

function finite(instant: string): string {
  return `case when isfinite(${instant}) then ${instant} end`;
}

/** @param needed columns without which a row says nothing, in the order of `expressions` */
async function read<Row extends object>(
  old: OldDatabase,
  table: OldTable,
  needed: readonly string[],
  expressions: Readonly<Record<keyof Row & string, Expression>>,
): Promise<Row[]> {
  if (!old.has(table, ...needed)) return [];
  const selected = Object.entries<Expression>(expressions).map(
    ([name, expression]) => `${expression(old.column(table, name))} as "${name}"`,
  );
  const given = needed.map((name) => `"${name}" is not null`);
  return await old.rows<Row>(
    `select distinct ${selected.join(", ")} from "${table}"
     where ${given.join(" and ")} order by ${needed.map((_, at) => at + 1).join(", ")}`,
  );
}

import { parseArgs } from "node:util";

export interface Options {
  /** Which sections run; none named: all of them. */
  readonly sections: readonly string[];
  /** How many rows `scale` grows to. */
  readonly rows: number;
  readonly quick: boolean;
  /** Where the table goes; undefined: nowhere but to standard output. */
  readonly output: string | undefined;
  readonly help: boolean;
}

/** @throws Error that says which argument is wrong */
export function readOptions(argv: readonly string[], known: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      rows: { type: "string" },
      quick: { type: "boolean", default: false },
      output: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const stranger = positionals.find((name) => !known.includes(name));
  if (stranger !== undefined)
    throw new Error(`there is no section ${stranger}; there are ${known.join(", ")}`);
  const { quick, help, output } = values;
  const rows = values.rows === undefined ? (quick ? 2_000_000 : 50_000_000) : Number(values.rows);
  if (!Number.isInteger(rows) || rows < 1_000_000)
    throw new Error("--rows is a number from 1000000 on");
  return { sections: positionals, rows, quick, output, help };
}

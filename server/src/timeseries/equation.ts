import { defineError } from "../lib/errors.ts";

const longest = 500;
const mostReferences = 10;

/** Streams that an equation may name, in whatever letter case: those that the dashboard offers. */
const streams: ReadonlySet<string> = new Set(
  (
    "v i p power voltage current vwc raw_vwc temp ec teros21 soil_water_potential " +
    "bme280 temperature humidity pressure co2 yfs210c flow"
  ).split(" "),
);

const required = defineError("invalid", "expression_missing", "Expression is required");
const tooLong = defineError(
  "invalid",
  "expression_too_long",
  `Expression exceeds maximum length (${longest})`,
);
const unexpectedCharacter = defineError(
  "invalid",
  "unexpected_character",
  'Unexpected character "{character}"',
);
const unexpectedEnd = defineError("invalid", "unexpected_end", "Unexpected end of expression");
const invalidSyntax = defineError("invalid", "invalid_syntax", "Invalid expression syntax");
const bareName = defineError(
  "invalid",
  "bare_name",
  "Use cell:stream tokens like 1:vwc (not bare names)",
);
const unknownStream = defineError("invalid", "unknown_stream", 'Unknown sensor stream "{stream}"');
const notSelected = defineError(
  "invalid",
  "cell_not_selected",
  "Reference {reference} uses cell {cell} which is not selected",
);
const tooManyReferences = defineError(
  "invalid",
  "too_many_references",
  `Expression uses more than ${mostReferences} references`,
);

interface Token {
  readonly kind: "number" | "reference" | "operator";
  readonly text: string;
}

/**
 * Checks an equation over streams: numbers, `cell:stream` references, `+ - * / ^` and parentheses.
 *
 * @param cellIds the cells that it may refer to; undefined: any
 * @returns its references, each once, sorted
 * @throws KnownError that says what is wrong
 */
export function validateEquation(
  expression: string,
  cellIds: readonly number[] | undefined,
): string[] {
  if (expression.trim() === "") throw required();
  if (expression.length > longest) throw tooLong();
  const tokens = tokenize(expression);
  const references = [
    ...new Set(tokens.filter(({ kind }) => kind === "reference").map(({ text }) => text)),
  ].sort();
  if (cellIds) for (const reference of references) checkSelected(reference, cellIds);
  if (references.length > mostReferences) throw tooManyReferences();
  new Parser(tokens).parse();
  return references;
}

function checkSelected(reference: string, cellIds: readonly number[]): void {
  const cell = Number(reference.split(":", 1)[0]);
  if (!cellIds.includes(cell)) throw notSelected({ reference, cell });
}

const lexemes =
  /\s*(?:(?<cell>\d+)\s*:\s*(?<stream>[A-Za-z]\w*)|(?<number>\d+(?:\.\d*)?|\.\d+)|(?<name>[A-Za-z]\w*)|(?<operator>[-+*/^()])|(?<other>\S))/uy;

function tokenize(expression: string): Token[] {
  const tokens: Token[] = [];
  const text = expression.trimEnd();
  lexemes.lastIndex = 0;
  while (lexemes.lastIndex < text.length) tokens.push(toToken(lexemes.exec(text)!.groups!));
  return tokens;
}

function toToken(groups: Readonly<Record<string, string | undefined>>): Token {
  const { cell, stream, number, name, operator, other } = groups as Record<
    string,
    string | undefined
  > & {
    [key in "cell" | "stream" | "number" | "name" | "operator" | "other"]?: string;
  };
  if (stream !== undefined) {
    if (!streams.has(stream.toLowerCase())) throw unknownStream({ stream });
    return { kind: "reference", text: `${Number(cell)}:${stream}` };
  }
  if (number !== undefined) return { kind: "number", text: number };
  if (operator !== undefined) return { kind: "operator", text: operator };
  if (name !== undefined) throw bareName();
  throw unexpectedCharacter({ character: other ?? "" });
}

/** Recursive descent, one method a level: sum, product, sign, power, atom. */
class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): void {
    this.#sum();
    if (this.#at < this.#tokens.length) throw invalidSyntax();
  }

  #sum(): void {
    do this.#product();
    while (this.#take("+", "-"));
  }

  #product(): void {
    do this.#sign();
    while (this.#take("*", "/"));
  }

  #sign(): void {
    if (this.#take("+", "-")) this.#sign();
    else this.#power();
  }

  #power(): void {
    this.#atom();
    if (this.#take("^")) this.#sign();
  }

  #atom(): void {
    if (this.#take("(")) {
      this.#sum();
      if (this.#take(")")) return;
      throw this.#at < this.#tokens.length ? invalidSyntax() : unexpectedEnd();
    }
    const token = this.#tokens[this.#at];
    if (!token) throw unexpectedEnd();
    if (token.kind === "operator") throw invalidSyntax();
    this.#at += 1;
  }

  #take(...operators: readonly string[]): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "operator" || !operators.includes(token.text)) return false;
    this.#at += 1;
    return true;
  }
}

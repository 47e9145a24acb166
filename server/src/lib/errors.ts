/** What kind of failure it is; `http/problem.ts` turns it into a status. */
export type ErrorKind =
  | "invalid"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "method_not_allowed"
  | "conflict"
  | "gone"
  | "too_large"
  | "range_not_satisfiable"
  | "unsupported_media_type"
  | "too_many_requests"
  | "bad_gateway"
  | "unavailable";

/** A failure that its cause may be told about: a kind, a code for programs, a sentence for people. */
export class KnownError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  /** Seconds after which it makes sense to try again, where that is known. */
  retryAfter_s?: number;

  constructor(kind: ErrorKind, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "KnownError";
    this.kind = kind;
    this.code = code;
  }
}

/**
 * Defines an error beside its use. The sentence may name values in braces: `no cell {id}`.
 *
 * @returns a function from those values to the error, to be thrown; its `code` is the errors'
 */
export function defineError<const Sentence extends string>(
  kind: ErrorKind,
  code: string,
  sentence: Sentence,
) {
  const make = (...[values]: Arguments<Sentence>): KnownError =>
    new KnownError(
      kind,
      code,
      sentence.replace(/\{(\w+)\}/g, (_, name: string) =>
        String((values as Record<string, unknown>)[name]),
      ),
    );
  return Object.assign(make, { code });
}

type Names<Sentence extends string> = Sentence extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Names<Rest>
  : never;

type Arguments<Sentence extends string> = [Names<Sentence>] extends [never]
  ? [values?: never]
  : [values: Record<Names<Sentence>, string | number>];

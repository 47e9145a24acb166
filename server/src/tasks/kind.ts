import type { Static, TSchema } from "typebox";
import type { Scope } from "../auth/caller.ts";
import { defineError } from "../lib/errors.ts";
import type { KeepRoom } from "../lib/disk.ts";
import type { Reader } from "../store/visibility.ts";
import type { StoredFile } from "../store/files.ts";

/** One kind of long work: what it is told, who may ask for it, and how it is done. */
export interface Kind<Params extends object = object> {
  /** As it is asked for, and stored. */
  readonly name: string;
  readonly params: TSchema;
  /** What a key must be for, to ask for it, look at it or cancel it. */
  readonly scope: Scope;
  /**
   * Lets through who may have it done, and answers what is to be done: the parameters, with what they leave open
   * decided. Called when it is asked for and again before each run, since rights may have changed.
   *
   * @throws KnownError
   */
  prepare(params: Params, asker: Asker): Promise<Params>;
  /**
   * Does it. May run twice, after a crash: the second time finds what the first has left, but for its files, and must
   * come to the same end.
   *
   * @returns what the task shows as its result, beside the file
   * @throws KnownError where whoever asked can do something about it; the signal's reason once it is aborted
   */
  run(params: Params, work: Work): Promise<object | undefined>;
}

/** Who asked: someone with an account, with the rights they have now; or nobody, who may see what is public. */
export type Asker = Reader;

/** What a run is given. */
export interface Work {
  readonly taskId: string;
  readonly asker: Asker;
  /** Aborted when the task is cancelled, taken by another worker, or given back: the run must end within a second. */
  readonly signal: AbortSignal;
  /**
   * Says how far it has come: as often as one likes, it is written twice a second.
   *
   * @param fraction from 0 to 1
   * @param doing what is being done, for people: `reading cell 3`
   */
  report(fraction: number, doing: string): void;
  /** To be asked before so many bytes go to the database: throws where its disk, as far as it is seen, has no room. */
  readonly keepRoom: KeepRoom;
  /** Keeps what the task makes, once a run; it is there for who asked when the run has ended well. */
  writeFile(
    file: { readonly name: string; readonly mediaType: string },
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<StoredFile>;
}

/** Defines a kind, with its parameters as its schema has them. */
export function defineKind<const Schema extends TSchema>(
  kind: Kind<Static<Schema> & object> & { readonly params: Schema },
): Kind {
  return kind;
}

export type Kinds = readonly Kind[];

const unknownKind = defineError(
  "invalid",
  "unknown_kind",
  "kind must be one of {kinds}: there is no {kind}",
);

/** @throws KnownError where there is none of that name */
export function findKind(kinds: Kinds, name: string): Kind {
  const kind = kinds.find((one) => one.name === name);
  if (kind) return kind;
  throw unknownKind({ kind: name, kinds: kinds.map((one) => one.name).join(", ") });
}

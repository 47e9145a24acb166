import type { DataType, Stream } from "@ents-backend/schemas/sensor";
import type { Actor } from "../store/audit.ts";
import type { Format } from "./codecs/codecs.ts";

/** One upload as it came through a door, before anyone has looked inside. */
export interface Uplink {
  /** A UUID of this server's: an upload that is kept twice on its way is known again by it. */
  readonly id: string;
  /** Undefined when the door knows no codec for what it was sent. */
  readonly format: Format | undefined;
  readonly payload: Uint8Array;
  /** Unix seconds. */
  readonly receivedAt: number;
  readonly credentials: Credentials;
  /** Without the key that may stand in it. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * What an upload shows of who sends it, with no secret in it: of a token the session, of a key the SHA-256
 * (hexadecimal) that it is stored as. `uploadKey` came by a door that is for holders of such keys only.
 */
export type Credentials =
  | {
      readonly kind: "open";
      readonly key?: ShownKey | undefined;
      readonly session?: { readonly userId: string; readonly sessionId: string } | undefined;
      /** The sender's network address. */
      readonly address: string;
    }
  | { readonly kind: "uploadKey"; readonly key: ShownKey | undefined };

export interface ShownKey {
  readonly kind: "api" | "upload";
  readonly hash: string;
}

/**
 * Who sends an upload, as far as its door can tell: nobody that is known; nobody, by a door for known senders
 * only; a user by token or key; a logger by its upload key.
 */
export type Sender =
  | { readonly kind: "nobody" }
  | { readonly kind: "unknown" }
  | {
      readonly kind: "user";
      /** Null for the operator, whose things are nobody's. */
      readonly userId: string | null;
      readonly admin: boolean;
      /** Whether their key reaches as far as uploads. */
      readonly mayUpload: boolean;
      /** Whether it reaches as far as making the cells and loggers that an upload names. */
      readonly mayCreate: boolean;
      readonly actor: Actor;
    }
  | { readonly kind: "logger"; readonly loggerId: number; readonly ownerId: string | null };

/** Fielded nodes know their cell and logger by number, older scripts by name. */
export type Reference = { readonly id: number } | { readonly name: string };

/** Values that a device took at one instant. */
export interface Measurement {
  readonly cell: Reference;
  readonly logger: Reference | undefined;
  /** Unix seconds, by the device's clock. */
  readonly ts: number;
  readonly values: readonly Value[];
  /** The node's own number of this measurement in its message. */
  readonly idx: number;
}

/** `value` is in the stream's unit; it may be NaN or infinite, as an unplugged probe sends it. */
export interface Value {
  readonly stream: Stream;
  readonly dataType: DataType;
  readonly value: number;
}

/** What a codec makes of a payload: measurements, or a sentence on why there is nothing to store. */
export type Decoded =
  | { readonly measurements: readonly Measurement[] }
  | { readonly ignored: string };

import { codecs, type Format } from "./codecs/codecs.ts";
import { Refusal, undecodable, unknownFormat } from "./refusal.ts";
import type { Decoded } from "./uplink.ts";

/** An upload, as far as it takes to decode it. */
interface Encoded {
  readonly format: Format | undefined;
  readonly payload: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** What an upload holds, or why it can't be told. */
export function decode(upload: Encoded): Decoded | { readonly refusal: Refusal } {
  const { format, payload } = upload;
  try {
    if (!format) throw unknownFormat(upload.headers["content-type"] ?? "");
    return codecs[format](payload);
  } catch (error) {
    // A codec throws nothing else; should it do so all the same, the upload is no less kept.
    return { refusal: error instanceof Refusal ? error : undecodable("readable", error) };
  }
}

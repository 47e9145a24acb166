import type { Head } from "./format.ts";
import type { StoredFile } from "./source.ts";

/** What spreadsheets and loggers write text in. */
export type Encoding = "utf-8" | "utf-16le" | "windows-1252";

const headBytes = 65_536;

/** Reads what a file begins with. */
export async function readHead(file: StoredFile): Promise<Head> {
  const bytes = await file.slice(0, Math.min(headBytes, file.size));
  const encoding = detectEncoding(bytes);
  const firstLine = firstLineOf(new TextDecoder(encoding).decode(bytes));
  // Text has no zero bytes, once it is known that its characters have two; but a card that lost its power may, further on.
  return { bytes, firstLine: firstLine.includes("\0") ? "" : firstLine, encoding };
}

/** UTF-16 says so at its beginning; what isn't UTF-8 is taken for what Windows writes in western Europe. */
export function detectEncoding(bytes: Uint8Array): Encoding {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  try {
    // As a stream: the last character may be cut.
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return "utf-8";
  } catch {
    // Damage is no other encoding: by chance no bytes make a character of several.
    const hasCharacters = /[\u0080-\uFFFC]/.test(new TextDecoder().decode(bytes));
    return hasCharacters ? "utf-8" : "windows-1252";
  }
}

/** The same text in UTF-8. */
export async function* toUtf8(
  chunks: AsyncIterable<Uint8Array>,
  encoding: Encoding,
): AsyncGenerator<Uint8Array> {
  if (encoding === "utf-8") {
    yield* chunks;
    return;
  }
  const decoder = new TextDecoder(encoding);
  for await (const chunk of chunks) yield Buffer.from(decoder.decode(chunk, { stream: true }));
  yield Buffer.from(decoder.decode());
}

function firstLineOf(text: string): string {
  return text.split(/\r?\n/).find((line) => /[^\s,;]/.test(line)) ?? "";
}

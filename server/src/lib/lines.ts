/** One line of a text, without its end. */
export interface Line {
  /** The first line is number 1. */
  readonly number: number;
  readonly text: string;
  /** Whether its end has been seen: a file that was torn off ends within a line. */
  readonly ended: boolean;
}

/**
 * Splits UTF-8 into lines, which end in LF or CRLF, the last one perhaps in nothing. A byte order mark is left
 * out. Memory stays within a chunk and a line, whatever the bytes are.
 *
 * @param longest characters: of a longer line the rest is thrown away
 * @returns for each chunk the lines that end in it
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  { longest }: { readonly longest: number },
): AsyncGenerator<Line[]> {
  const decoder = new TextDecoder();
  let number = 0;
  let rest = "";
  const toLine = (text: string, ended: boolean): Line => ({
    number: ++number,
    text: trimEnd(text, longest),
    ended,
  });
  for await (const chunk of chunks) {
    const texts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    // One more, so that the line is still seen to be too long when its end comes.
    rest = texts.pop()!.slice(0, longest + 1);
    yield texts.map((text) => toLine(text, true));
  }
  rest += decoder.decode();
  if (rest !== "") yield [toLine(rest, false)];
}

function trimEnd(text: string, longest: number): string {
  return (text.endsWith("\r") ? text.slice(0, -1) : text).slice(0, longest);
}

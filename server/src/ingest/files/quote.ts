/** What stands in a file, as a message may show it: in quotation marks, not too long, no bytes that move a cursor. */
export function quote(text: string): string {
  return JSON.stringify(printable(text.length > 160 ? `${text.slice(0, 160)}…` : text));
}

/** What a damaged file holds may be anything, and is shown on a terminal. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, "\uFFFD");
}

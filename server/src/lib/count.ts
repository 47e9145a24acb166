/**
 * A number for people to read, to the nearest whole one.
 *
 * @param noun what is counted, in the singular; its plural has an s more
 */
export function count(value: number, noun?: string): string {
  const whole = Math.round(value);
  const digits = whole.toLocaleString("en");
  if (noun === undefined) return digits;
  return `${digits} ${noun}${whole === 1 ? "" : "s"}`;
}

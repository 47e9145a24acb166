const units_s: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** What `parseDuration` reads. */
export const durationPattern = "^[1-9]\\d{0,5}[smhd]$";

/** Reads a duration, `90s`, `30m`, `12h` or `7d`. @returns seconds */
export function parseDuration(text: string): number {
  return Number(text.slice(0, -1)) * units_s[text.at(-1)!]!;
}

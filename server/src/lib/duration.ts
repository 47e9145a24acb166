export const minute_s = 60;
export const hour_s = 3600;
export const day_s = 86_400;

const units_s: Readonly<Record<string, number>> = { s: 1, m: minute_s, h: hour_s, d: day_s };

/** What `parseDuration` reads. */
export const durationPattern = "^[1-9]\\d{0,5}[smhd]$";

/** Reads a duration, `90s`, `30m`, `12h` or `7d`. @returns seconds */
export function parseDuration(text: string): number {
  return Number(text.slice(0, -1)) * units_s[text.at(-1)!]!;
}

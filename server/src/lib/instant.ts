const second_us = 1_000_000;
const day_us = 86_400 * second_us;
const day_ms = 86_400_000;

const twoDigits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, "0"));

/**
 * Makes what writes instants: ISO 8601, UTC, with milliseconds, and microseconds where there are any
 * (`2026-01-02T03:04:05.000Z`). It remembers the day that it wrote last, since instants come in their order.
 *
 * @returns a function of microseconds since 1970
 */
export function instantWriter(): (at_us: number) => string {
  let day = NaN;
  let date = "";
  return (at_us) => {
    const itsDay = Math.floor(at_us / day_us);
    if (itsDay !== day) {
      day = itsDay;
      date = new Date(day * day_ms).toISOString().slice(0, "2026-01-02T".length);
    }
    const rest_us = at_us - day * day_us;
    const seconds = Math.floor(rest_us / second_us);
    return `${date}${clockOf(seconds)}.${fractionOf(rest_us - seconds * second_us)}Z`;
  };
}

function clockOf(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return `${twoDigits[hours]}:${twoDigits[minutes % 60]}:${twoDigits[seconds % 60]}`;
}

function fractionOf(micros: number): string {
  if (micros === 0) return "000";
  const digits = String(micros).padStart(6, "0");
  return digits.endsWith("000") ? digits.slice(0, 3) : digits;
}

const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const noNumber = /^[+-]?(?:nan|inf|infinity)$/i;

/**
 * Reads a number. A probe that isn't plugged in reads as NaN or infinite: that is a reading without a value.
 *
 * @returns undefined when it is none
 */
export function parseValue(text: string): number | null | undefined {
  if (noNumber.test(text)) return null;
  if (!number.test(text)) return undefined;
  return finiteOrNull(Number(text));
}

/** A value as it is stored: null, a reading without a value, for NaN and the infinities. */
export function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

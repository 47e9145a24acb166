/** Digits that every decimal keeps on its way through a number. Source: IEEE 754, binary64. */
const safeDigits = 15;
/** Digits that tell any two numbers apart. */
const mostDigits = 17;

/**
 * What was sent of a value that is stored `factor` times as large: the shortest decimal that comes to the stored
 * value. So 0.00122 V, stored in mV, are 0.00122 V again and not 0.0012200000000000002.
 */
export function asSent(stored: number, factor: number): number {
  if (factor === 1) return stored;
  const near = stored / factor;
  for (let digits = safeDigits; digits <= mostDigits; digits += 1) {
    const decimal = Number(near.toPrecision(digits));
    if (decimal * factor === stored) return decimal;
  }
  return near;
}

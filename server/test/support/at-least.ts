/** Keys whose values every server chooses by itself. */
const ownKeys = new Set([
  "id",
  "sensor_id",
  "panel_id",
  "logger_id",
  "api_key",
  "url",
  "ts_server",
  "created_at",
  "date_created",
  "hello",
]);

/**
 * What an answer lacks of another one, each as a sentence: it may have more fields, but none less, and the same
 * values, numbers to one part in 10⁹. Of a list of objects it has at least those, in the same order.
 */
export function lacks(actual: unknown, expected: unknown, at = "answer"): string[] {
  if (Array.isArray(expected)) return lacksOfList(actual, expected, at);
  if (isObject(expected)) return lacksOfObject(actual, expected, at);
  if (typeof expected === "number" && typeof actual === "number" && isClose(actual, expected))
    return [];
  return Object.is(actual, expected)
    ? []
    : [`${at} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`];
}

function lacksOfObject(actual: unknown, expected: Record<string, unknown>, at: string): string[] {
  if (!isObject(actual)) return [`${at} is ${JSON.stringify(actual)}, not an object`];
  return Object.entries(expected).flatMap(([key, value]) => {
    if (!(key in actual)) return [`${at} has no ${key}`];
    return ownKeys.has(key) ? [] : lacks(actual[key], value, `${at}.${key}`);
  });
}

function lacksOfList(actual: unknown, expected: readonly unknown[], at: string): string[] {
  if (!Array.isArray(actual)) return [`${at} is ${JSON.stringify(actual)}, not a list`];
  if (expected.some(isObject)) return lacksOfSequence(actual, expected, at);
  if (actual.length !== expected.length)
    return [`${at} has ${actual.length} elements, not ${expected.length}`];
  return expected.flatMap((value, index) => lacks(actual[index], value, `${at}[${index}]`));
}

/** Each expected element stands behind the one before it; others may stand between. */
function lacksOfSequence(
  actual: readonly unknown[],
  expected: readonly unknown[],
  at: string,
): string[] {
  let next = 0;
  return expected.flatMap((value) => {
    const found = actual.findIndex((one, index) => index >= next && lacks(one, value).length === 0);
    if (found < 0) return [`${at} does not go on with ${JSON.stringify(value)}`];
    next = found + 1;
    return [];
  });
}

function isClose(actual: number, expected: number): boolean {
  return Math.abs(actual - expected) <= 1e-9 * Math.abs(expected);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

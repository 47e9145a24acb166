/** What a validator says of a value that doesn't fit its schema; both the framework's and our own say it so. */
interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message?: string | undefined;
  readonly params: object;
}

/**
 * A sentence on what doesn't fit: `data.temperature is missing`.
 *
 * @param what what the value as a whole is called
 */
export function describeSchemaError(error: SchemaError | undefined, what: string): string {
  if (!error) return `${what} does not fit`;
  const path = error.instancePath.slice(1).replaceAll("/", ".");
  const { requiredProperties, allowedValues } = error.params as {
    requiredProperties?: readonly string[];
    allowedValues?: readonly unknown[];
  };
  const missing = requiredProperties?.[0];
  if (missing !== undefined) return `${path === "" ? "" : `${path}.`}${missing} is missing`;
  return `${path === "" ? what : path} ${describeFault(error, allowedValues)}`;
}

function describeFault(
  { keyword, message = "does not fit" }: SchemaError,
  allowedValues: readonly unknown[] | undefined,
): string {
  if (allowedValues) return `must be one of ${allowedValues.join(", ")}`;
  if (keyword === "boolean" || keyword === "additionalProperties") return "isn't known here";
  if (keyword === "pattern") return "has characters that it can't have";
  return message;
}

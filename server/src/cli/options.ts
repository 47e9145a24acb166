import { Label } from "@ents-backend/schemas/fields";
import { InvalidArgumentError } from "commander";
import { Value } from "typebox/value";

/** Reads a text that people read. */
export function label(text: string): string {
  const trimmed = text.trim();
  if (!Value.Check(Label, trimmed))
    throw new InvalidArgumentError("1 to 100 characters, no control characters.");
  return trimmed;
}

/** Reads a latitude or longitude. */
export function degrees(limit: 90 | 180): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(Math.abs(value) <= limit))
      throw new InvalidArgumentError(`a number from -${limit} to ${limit}.`);
    return value;
  };
}

/** Reads a whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value >= 2 ** 31)
      throw new InvalidArgumentError(`a whole number from ${least}.`);
    return value;
  };
}

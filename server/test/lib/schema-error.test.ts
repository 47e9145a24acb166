import { Type } from "typebox";
import { Value } from "typebox/value";
import { expect, it } from "vitest";
import { describeSchemaError } from "../../src/lib/schema-error.ts";

const schema = Type.Object(
  { place: Type.Object({ name: Type.String({ pattern: "^[a-z]+$" }) }, closed()) },
  closed(),
);

function closed() {
  return { additionalProperties: false } as const;
}

it.each<[unknown, string]>([
  [{}, "place is missing"],
  [{ place: {} }, "place.name is missing"],
  [{ place: { name: "A" } }, "place.name has characters that it can't have"],
  [{ place: { name: "a" }, zip: 1 }, "zip isn't known here"],
  [{ place: { name: "a", zip: 1 } }, "place.zip isn't known here"],
  [5, "it must be object"],
])("%j: %s", (value, sentence) => {
  expect(describeSchemaError(Value.Errors(schema, value)[0], "it")).toBe(sentence);
});

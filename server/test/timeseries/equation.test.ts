import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KnownError } from "../../src/lib/errors.ts";
import { validateEquation } from "../../src/timeseries/equation.ts";

const cells = [1, 2, 30];
const sumOf = (count: number) =>
  Array.from({ length: count }, (_, at) => `${at + 1}:${at % 2 ? "v" : "i"}`).join("+");
const twelveCells = Array.from({ length: 12 }, (_, at) => at + 1);

describe("validateEquation", () => {
  it.each([
    ["1:vwc", ["1:vwc"]],
    ["1:power * 2", ["1:power"]],
    ["1:v + 1:i", ["1:i", "1:v"]],
    ["(1:vwc + 2:vwc) / 2", ["1:vwc", "2:vwc"]],
    ["1:temp - 1:temp", ["1:temp"]],
    ["1:ec ^ 2 ^ 2", ["1:ec"]],
    ["-1:raw_vwc", ["1:raw_vwc"]],
    ["2 * -+-30:p", ["30:p"]],
    ["2 ^ -1:v", ["1:v"]],
    ["1:v / 0", ["1:v"]],
    [".5 * 1. + 1.25", []],
    [" 1 : v\t+\n01:v ", ["1:v"]],
    ["((((1:v))))", ["1:v"]],
    [`${"(".repeat(248)}1:v${")".repeat(248)}`, ["1:v"]],
    [`${"-".repeat(497)}1:v`, ["1:v"]],
  ])("takes %s", (expression, references) => {
    expect(validateEquation(expression, cells)).toEqual(references);
  });

  it.each([
    ["", "Expression is required"],
    ["  \n", "Expression is required"],
    ["1:v +", "Unexpected end of expression"],
    ["(1:v", "Unexpected end of expression"],
    ["-", "Unexpected end of expression"],
    ["(", "Unexpected end of expression"],
    ["1:v ** 2", "Invalid expression syntax"],
    ["1:v 2", "Invalid expression syntax"],
    ["1:v 2:v", "Invalid expression syntax"],
    ["(1:v 2)", "Invalid expression syntax"],
    ["1:v)", "Invalid expression syntax"],
    ["()", "Invalid expression syntax"],
    ["* 1:v", "Invalid expression syntax"],
    ["2(1:v)", "Invalid expression syntax"],
    ["1..5", "Invalid expression syntax"],
    ["foo", "Use cell:stream tokens like 1:vwc (not bare names)"],
    ["1.5e3 * 1:v", "Use cell:stream tokens like 1:vwc (not bare names)"],
    ["1:W", 'Unknown sensor stream "W"'],
    ["1:BME280_TEMP", 'Unknown sensor stream "BME280_TEMP"'],
    ["1:constructor", 'Unknown sensor stream "constructor"'],
    ["1:s:3", 'Unknown sensor stream "s"'],
    ["__import__(1)", 'Unexpected character "_"'],
    ["1:v; 2", 'Unexpected character ";"'],
    ["1:v % 2", 'Unexpected character "%"'],
    ["1: 5", 'Unexpected character ":"'],
    ["1:v + 😀", 'Unexpected character "😀"'],
    ["3:v", "Reference 3:v uses cell 3 which is not selected"],
    ["1:v + 3:i", "Reference 3:i uses cell 3 which is not selected"],
  ])("refuses %j: %s", (expression, message) => {
    expect(() => validateEquation(expression, cells)).toThrow(message);
  });

  it("takes 500 characters and no more", () => {
    expect(validateEquation("1:v".padEnd(500), cells)).toEqual(["1:v"]);
    expect(() => validateEquation("1:v".padEnd(501), cells)).toThrow(
      "Expression exceeds maximum length (500)",
    );
  });

  it("takes 10 references and no more; one that stands often counts once", () => {
    expect(validateEquation(sumOf(10), twelveCells)).toHaveLength(10);
    expect(validateEquation(`${sumOf(10)} + 1:i`, twelveCells)).toHaveLength(10);
    expect(() => validateEquation(sumOf(11), twelveCells)).toThrow(
      "Expression uses more than 10 references",
    );
  });

  it("takes every sum, product and power of what it takes", () => {
    const { equation } = fc.letrec<{ equation: string }>((tie) => ({
      equation: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom("1:v", "2:vwc", "30:p", "2", "0.5"),
        fc
          .tuple(tie("equation"), fc.constantFrom("+", "-", "*", "/", "^"), tie("equation"))
          .map((parts) => parts.join(" ")),
        tie("equation").map((inner) => `(${inner})`),
        tie("equation").map((inner) => `-${inner}`),
      ),
    }));
    fc.assert(
      fc.property(
        equation.filter(({ length }) => length <= 500),
        (expression) => {
          const references = expression.match(/\d+:\w+/g) ?? [];
          expect(validateEquation(expression, cells)).toEqual([...new Set(references)].sort());
        },
      ),
    );
  });

  it("refuses the rest with a sentence, whatever it is", () => {
    const pieces = fc.constantFrom(
      "1:v",
      "9:v",
      "2",
      ".",
      "(",
      ")",
      "+",
      "-",
      "*",
      "^",
      ":",
      "e",
      "_",
      "é",
      " ",
    );
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(pieces).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (expression) => {
        try {
          validateEquation(expression, cells);
        } catch (error) {
          expect(error).toBeInstanceOf(KnownError);
        }
      }),
    );
  });
});

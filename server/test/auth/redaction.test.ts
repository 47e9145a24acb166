import { describe, expect, it } from "vitest";
import { newUploadKey, redactHeader, redactPath } from "../../src/auth/keys.ts";

const key = newUploadKey();

describe("redactHeader", () => {
  it.each([
    ["a proxy's copy of the URL", `/u/${key}`],
    ["one that is escaped", `/u%2F${key}`],
    ["one that is escaped twice", `http://host/?url=http%253A%252F%252Fh%252Fu%252F${key}`],
    ["the key beside something else", `_${key}`],
    ["the key alone", key],
  ])("keeps nothing of %s", (_, value) => {
    expect(redactHeader(value, key)).not.toContain(key);
  });

  it("keeps what holds no key", () => {
    expect(redactHeader("application/json; charset=utf-8", key)).toBe(
      "application/json; charset=utf-8",
    );
    expect(redactHeader("ents/2.3.0", undefined)).toBe("ents/2.3.0");
  });
});

describe("redactPath", () => {
  it.each([`/u/${key}`, `/u/${key}/`, `/u%2F${key}`, `/u%252F${key}`, `//u//${key}?a=b`])(
    "hides the key of %s",
    (url) => {
      expect(redactPath(url)).not.toContain(key);
    },
  );

  it("keeps nothing of what is escaped again and again, which would take long to read", () => {
    const often = `/u/${"%25".repeat(3)}`.replaceAll("%25", `%${"25".repeat(8000)}`);
    const inward = `/${"%2".repeat(3000)}%${"35".repeat(3000)}`;
    for (const url of [often, inward]) {
      expect(redactPath(url)).toBe("…");
      expect(redactHeader(url, undefined)).toBe("…");
    }
  });
});

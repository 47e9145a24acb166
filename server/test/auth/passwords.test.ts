import { verify } from "@node-rs/argon2";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { checkPassword, hashPassword } from "../../src/auth/passwords.ts";

vi.mock(import("@node-rs/argon2"), { spy: true });
beforeEach(() => void vi.mocked(verify).mockClear());

describe("passwords", () => {
  it("are kept as argon2id, salted, and known again", async () => {
    const [one, two] = [await hashPassword("ten chars!"), await hashPassword("ten chars!")];
    expect(one).toMatch(/^\$argon2id\$/);
    expect(one).not.toBe(two);
    expect(await checkPassword("ten chars!", one)).toBe(true);
    expect(await checkPassword("ten chars?", one)).toBe(false);
  });

  it("have 10 to 200 characters, however many bytes those take", async () => {
    await expect(hashPassword("nine char")).rejects.toMatchObject({ code: "password_too_short" });
    await expect(hashPassword("😀".repeat(9))).rejects.toMatchObject({
      code: "password_too_short",
    });
    await expect(hashPassword("x".repeat(201))).rejects.toMatchObject({
      code: "password_too_long",
    });
    const emoji = "😀".repeat(200);
    expect(await checkPassword(emoji, await hashPassword(emoji))).toBe(true);
  });

  it("are the same however a keyboard composes their letters", async () => {
    const hash = await hashPassword("Schlüsselbund".normalize("NFD"));
    expect(await checkPassword("Schlüsselbund".normalize("NFC"), hash)).toBe(true);
  });

  it("are not the commonest, in whatever letter case", async () => {
    for (const common of ["1234567890", "Password123", "QWERTYUIOP", "iloveyou123"])
      await expect(hashPassword(common)).rejects.toMatchObject({ code: "password_too_common" });
  });

  it("cost the same work to check where there is none", async () => {
    const known = await hashPassword("ten chars!");
    const costs = [];
    for (const expected of [known, null, undefined]) {
      await checkPassword("a wrong guess", expected);
      const [hash] = vi.mocked(verify).mock.lastCall!;
      costs.push(String(hash).split("$").slice(0, 4).join("$"));
    }
    expect(verify).toHaveBeenCalledTimes(3);
    expect(new Set(costs)).toEqual(new Set(["$argon2id$v=19$m=19456,t=2,p=1"]));
  });

  it("never fit where there is none", async () => {
    expect(await checkPassword("the password of nobody at all", undefined)).toBe(false);
    expect(await checkPassword("", null)).toBe(false);
  });
});

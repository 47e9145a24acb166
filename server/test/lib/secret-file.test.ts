import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readOrCreateSecret } from "../../src/lib/secret-file.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "ents-secret-"));
});
afterAll(async () => await rm(directory, { recursive: true }));

describe("readOrCreateSecret", () => {
  it("makes one secret, whoever asks first, for its owner's eyes only", async () => {
    const file = join(directory, "new", "secret");
    const secrets = await Promise.all(Array.from({ length: 20 }, () => readOrCreateSecret(file)));
    expect(new Set([...secrets, await readOrCreateSecret(file)]).size).toBe(1);
    expect(secrets[0]!.length).toBeGreaterThanOrEqual(43);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(directory, "new"))).toEqual(["secret"]);
  });

  it.each(["", "short"])(
    "refuses a file that holds %j, and leaves it as it is",
    async (content) => {
      const file = join(directory, `broken${content.length}`);
      await writeFile(file, content);
      await expect(readOrCreateSecret(file)).rejects.toThrow(/cut short/);
      expect((await stat(file)).size).toBe(content.length);
    },
  );
});

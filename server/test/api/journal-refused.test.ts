import { rm, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { useDirectories } from "../support/journal.ts";
import { undecodable, upload, useJournalServers } from "../support/journal-servers.ts";
import { formats } from "../support/uploads.ts";

const newDirectory = useDirectories();
const api = useApi();
const { away, start } = useJournalServers(api);

describe("an upload while the database is away", () => {
  it.each([
    ["full", async (path: string) => await start(away, path, 10)],
    [
      "unwritable",
      async (path: string) => {
        const server = await start(away, path);
        // Nothing can be made where a file stands in the directory's place.
        await rm(path, { recursive: true });
        await writeFile(path, "");
        return server;
      },
    ],
  ])("is refused, to be sent again, when the journal is %s", async (_, begin) => {
    const cellId = await newCell(api);
    const server = await begin(newDirectory());
    for (const message of [formats["version 1"]({ cellId }), undecodable]) {
      const answer = await upload(server, message);
      expect([answer.statusCode, answer.rawPayload.toString("hex")]).toEqual([503, "0801"]);
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
      expect(answer.headers["content-length"]).toBe("2");
    }
    const answer = await upload(server, formats["plain JSON"]({ cellId }));
    expect(answer.statusCode).toBe(503);
    expect(answer.json()).toMatchObject({ code: expect.stringMatching(/^journal_/) as string });
    expect(server.journal.depth().records).toBe(0);
  });
});

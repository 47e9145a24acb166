import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { insertQuarantined, measureQuarantine } from "../../src/store/quarantine.ts";
import { useDatabase } from "../support/database.ts";
import { quarantined } from "../support/quarantine.ts";

const database = useDatabase();

const upload = (uploadId?: string) => quarantined({ uploadId });

describe("insertQuarantined", () => {
  it("keeps what arrives twice once, and the rest of the same statement", async () => {
    const [once, other] = [randomUUID(), randomUUID()];
    const first = await insertQuarantined(database.db, [upload(once), upload()]);
    expect(first.uploads).toBe(2);
    const again = await insertQuarantined(database.db, [upload(once), upload(other), upload()]);
    expect(again).toEqual({ uploads: 2, bytes: first.bytes });
    expect(await measureQuarantine(database.db)).toEqual({ uploads: 4, bytes: first.bytes * 2 });
    expect(await insertQuarantined(database.db, [])).toEqual({ uploads: 0, bytes: 0 });
  });
});

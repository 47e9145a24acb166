import { rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  appendAll,
  drained,
  filesIn,
  openJournal,
  reopened,
  some,
  useDirectories,
} from "../support/journal.ts";

const newDirectory = useDirectories();

describe("a journal", () => {
  it("knows of what another process appends once it looks", async () => {
    const path = newDirectory();
    const [journal, others] = [await openJournal(path), await openJournal(path)];
    await appendAll(others, some);
    expect(journal.depth().records).toBe(0);
    await journal.look();
    expect(journal.depth().records).toBe(some.length);
    expect(await drained(journal)).toEqual(some);
    await others.look();
    expect(others.depth()).toEqual({ records: 0, bytes: 0 });
    for (const one of [journal, others]) await one.close();
  });

  it("writes again what was taken out from under it", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    await journal.append("first");
    const [name = ""] = await filesIn(path);
    await rename(join(path, name), join(path, `${name}.taken`));
    await journal.append("second");
    expect((await filesIn(path)).length).toBe(2);
    expect(await reopened(path)).toEqual(["first", "second"]);
    await journal.close();
  });

  it("leaves to another process what that has taken, until it must be dead", async () => {
    const path = newDirectory();
    const journal = await openJournal(path);
    const patient = await openJournal(path, { clock: () => Date.now() / 1000 + 301 });
    await journal.append("taken");
    const [name = ""] = await filesIn(path);
    await rename(join(path, name), join(path, `${name}.taken`));
    expect(await drained(journal)).toEqual([]);
    expect(await drained(patient)).toEqual(["taken"]);
    expect(await filesIn(path)).toEqual([]);
    await journal.close();
  });
});

describe("how much a journal holds", () => {
  it("is counted as it is appended and handed out, and when it is opened", async () => {
    const path = newDirectory();
    let now = 1_700_000_000;
    const clock = () => now;
    const journal = await openJournal(path, { clock });
    expect(journal.depth()).toEqual({ records: 0, bytes: 0 });
    await journal.append("one");
    now += 60;
    await appendAll(journal, [2, 3]);
    const [name = ""] = await filesIn(path);
    const full = { records: 3, bytes: (await stat(join(path, name))).size, oldest: 1_700_000_000 };
    expect(journal.depth()).toEqual(full);

    const other = await openJournal(path, { clock });
    expect(other.depth()).toEqual(full);
    await drained(other);
    expect(other.depth()).toEqual({ records: 0, bytes: 0 });
    await drained(journal);
    expect(journal.depth()).toEqual({ records: 0, bytes: 0 });
    await journal.append("four");
    expect(journal.depth()).toMatchObject({ records: 1, oldest: 1_700_000_060 });
    await drained(other);
    await other.append("five");
    await journal.drain(async () => {
      expect(journal.depth().records).toBe(1);
    });
    expect(journal.depth().records).toBe(0);
    await Promise.all([journal.close(), other.close()]);
  });
});

import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { writeFile, type Owner } from "../../src/store/files.ts";
import { claimTask, finishTask, type ClaimedTask } from "../../src/store/task-claims.ts";
import { createTask } from "../../src/store/tasks.ts";
import { useDatabase } from "../support/database.ts";

const database = useDatabase();
const quota_bytes = 1000;

async function ask(owner: Owner): Promise<string> {
  const task = { ...owner, kind: "count", params: {}, asAdmin: false, keep_s: 60 };
  const quota = { of: owner, tasks: 10, results_bytes: quota_bytes };
  return (await createTask(database.db, task, [quota])).id;
}

async function claim(id: string): Promise<ClaimedTask> {
  const task = await claimTask(database.db, id, "a test");
  expect(task).toMatchObject({ id });
  return task!;
}

async function make(task: ClaimedTask, owner: Owner, size: number): Promise<void> {
  const file = { name: "a", mediaType: "text/plain", taskId: task.id, keep_s: 60 };
  const pieces = Readable.from([Buffer.alloc(size)]);
  const written = { ...owner, ...file, max_bytes: task.max_bytes };
  const { id: fileId } = await writeFile(database.db, written, pieces);
  expect(await finishTask(database.db, task, { result: undefined, fileId })).toBe(true);
}

it("a task that waited may make what those before it have left, of the same owner", async () => {
  const owner = { accountId: null, origin: "one" };
  const other = { accountId: null, origin: "another" };
  const [first, second, others] = [await ask(owner), await ask(owner), await ask(other)];
  const begun = await claim(first);
  expect(begun.max_bytes).toBe(quota_bytes);
  await make(begun, owner, 600);
  expect((await claim(second)).max_bytes).toBe(400);
  expect((await claim(others)).max_bytes).toBe(quota_bytes);
});

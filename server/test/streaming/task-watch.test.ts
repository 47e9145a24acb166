import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cancelTask, createTask } from "../../src/store/tasks.ts";
import { revokeSession } from "../../src/store/sessions.ts";
import { Admission } from "../../src/streaming/admission.ts";
import { Audience } from "../../src/streaming/audience.ts";
import { TaskWatch } from "../../src/streaming/task-watch.ts";
import { testDeps } from "../support/api.ts";
import { useDatabase } from "../support/database.ts";
import { Ear } from "../support/ear.ts";
import { waitUntil } from "../support/wait-until.ts";
import { newUser, type TestUser } from "../support/users.ts";

const database = useDatabase();
let now = 1_705_363_200;

let watch: TaskWatch;
beforeAll(() => {
  const deps = testDeps(database.db, () => now);
  watch = new TaskWatch({
    ...deps,
    admission: new Admission({ ...deps, audience: new Audience(deps) }),
  });
  watch.start();
});
afterAll(async () => await watch.stop());

const newOwner = async (): Promise<TestUser> => await newUser({ db: database.db, now });

async function order({ id: accountId }: TestUser): Promise<string> {
  const owner = { accountId, origin: null };
  const task = { ...owner, kind: "count", params: {}, asAdmin: false, keep_s: 3600 };
  const quota = { of: owner, tasks: 10, results_bytes: 1e9 };
  return (await createTask(database.db, task, [quota])).id;
}

async function follow({ headers }: TestUser): Promise<Ear> {
  const ear = new Ear(headers.authorization);
  await watch.follow(ear);
  return ear;
}

const statesOf = (ear: Ear) => ear.named("task_updated").map(({ state }) => state);

describe("a listener to tasks", () => {
  it("is told once how each is, and how it is by then when it was not ready", async () => {
    const ada = await newOwner();
    const [steady, slow] = [await follow(ada), await follow(ada)];
    slow.ready = false;
    const first = await order(ada);
    await waitUntil(() => steady.heard.length === 1);
    await cancelTask(database.db, first);
    await waitUntil(() => steady.heard.length === 2);
    slow.ready = true;
    await waitUntil(() => slow.heard.length > 0);
    const second = await order(ada);
    await waitUntil(() => steady.heard.length === 3 && slow.heard.length === 2);
    expect(statesOf(steady)).toEqual(["PENDING", "REVOKED", "PENDING"]);
    expect(statesOf(slow)).toEqual(["REVOKED", "PENDING"]);
    expect(slow.named("task_updated").map(({ id }) => id)).toEqual([first, second]);
  });

  it.each([
    ["the token ends", "token_expired", async () => void (now += 16 * 60)],
    [
      "they are logged out",
      "session_over",
      async (session: string) => void (await revokeSession(database.db, session, now)),
    ],
  ] as const)("is told no more when %s", async (_, code, change) => {
    const ada = await newOwner();
    const ear = await follow(ada);
    await watch.review();
    expect(ear.heard).toEqual([]);
    const { id: session } = await database.db
      .selectFrom("session")
      .select("id")
      .where("account_id", "=", ada.id)
      .executeTakeFirstOrThrow();
    await change(session);
    await watch.review();
    const witness = await newUser({ db: database.db, now });
    const other = await follow(witness);
    await order(ada);
    await order(witness);
    await waitUntil(() => other.heard.length === 1);
    expect(ear.named("subscribe_error")).toMatchObject([{ code }]);
    expect(ear.heard).toHaveLength(1);
  });
});

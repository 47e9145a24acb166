import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { beforeAll, describe, expect, it } from "vitest";
import { writeFile } from "../../src/store/files.ts";
import { claimTask, finishTask } from "../../src/store/task-claims.ts";
import { createTask } from "../../src/store/tasks.ts";
import { useApi } from "../support/api.ts";
import { newUser, type TestUser } from "../support/users.ts";

const api = useApi();

const text = Array.from({ length: 300_000 }, (_, at) => `${at}\n`).join("");
const size = text.length;
const tag = `"${createHash("sha256").update(text).digest("base64url")}"`;
let ada: TestUser;
let url = "";

beforeAll(async () => {
  ada = await newUser(api);
  const owner = { accountId: ada.id, origin: null };
  const order = { ...owner, kind: "export", params: {}, asAdmin: false, keep_s: 60 };
  const { id } = await createTask(api.db, order, [{ of: owner, tasks: 1, results_bytes: 1e8 }]);
  const task = await claimTask(api.db, id, "a test");
  const file = { name: 'ä "b"\r\n.csv', mediaType: "text/csv", taskId: id, keep_s: 60 };
  const pieces = Readable.from([Buffer.from(text)]);
  const stored = await writeFile(api.db, { ...owner, ...file, max_bytes: 1e8 }, pieces);
  await finishTask(api.db, task!, { result: undefined, fileId: stored.id });
  url = `/api/tasks/${id}/result`;
});

const ask = async (headers: Record<string, string> = {}, method: "GET" | "HEAD" = "GET") =>
  await api.inject({ method, url, headers: { ...ada.headers, ...headers } });

describe("a result", () => {
  it("is downloaded whole, with its length, tag and a name that is safe", async () => {
    const { statusCode, headers, body } = await ask();
    expect(statusCode).toBe(200);
    expect(headers).toMatchObject({
      "content-length": String(size),
      "content-type": "text/csv",
      "accept-ranges": "bytes",
      etag: tag,
      "content-disposition": `attachment; filename="___b___.csv"; filename*=UTF-8''%C3%A4%20%22b%22%0D%0A.csv`,
    });
    expect(headers).not.toHaveProperty("content-range");
    expect(body === text).toBe(true);
  });

  it("tells its length to HEAD, and sends nothing", async () => {
    const { statusCode, headers, rawPayload } = await ask({}, "HEAD");
    expect(statusCode).toBe(200);
    expect(headers).toMatchObject({ "content-length": String(size), etag: tag });
    expect(rawPayload.length).toBe(0);
  });

  it.each([
    ["bytes=0-0", 0, 0],
    ["bytes=10-19", 10, 19],
    [`bytes=${size - 3}-`, size - 3, size - 1],
    ["bytes=-5", size - 5, size - 1],
    [`bytes=-${size + 5}`, 0, size - 1],
    [`bytes=5-${size + 100}`, 5, size - 1],
    [`bytes=1048570-1048580`, 1_048_570, 1_048_580],
  ])("is downloaded in part: %s", async (range, first, last) => {
    const { statusCode, headers, body } = await ask({ range });
    expect(statusCode).toBe(206);
    expect(headers["content-range"]).toBe(`bytes ${first}-${last}/${size}`);
    expect(headers["content-length"]).toBe(String(last - first + 1));
    expect(body === text.slice(first, last + 1)).toBe(true);
  });

  it.each(["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes=-"])(
    "is sent whole for a range that can't be read, or is several: %s",
    async (range) => {
      const { statusCode, body } = await ask({ range });
      expect(statusCode).toBe(200);
      expect(body.length).toBe(size);
    },
  );

  it.each([`bytes=${size}-`, "bytes=-0"])("doesn't have the range %s", async (range) => {
    const { statusCode, headers, json } = await ask({ range });
    expect(statusCode).toBe(416);
    expect(headers["content-range"]).toBe(`bytes */${size}`);
    expect(json()).toMatchObject({ status: 416, code: "no_such_range" });
  });

  it("goes on where it is still the same, and begins again where it isn't", async () => {
    const range = "bytes=5-9";
    expect((await ask({ range, "if-range": tag })).statusCode).toBe(206);
    for (const other of ['"other"', `W/${tag}`, "Sat, 08 Jul 2023 20:00:00 GMT"])
      expect((await ask({ range, "if-range": other })).statusCode).toBe(200);
    const known = await ask({ "if-none-match": tag });
    expect([known.statusCode, known.rawPayload.length]).toEqual([304, 0]);
    expect(known.headers).not.toHaveProperty("content-length");
  });
});

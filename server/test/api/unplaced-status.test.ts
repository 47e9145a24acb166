import { fromBinary } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, it } from "vitest";
import { ResponseSchema } from "../../src/ingest/codecs/proto/measurement_pb.js";
import { useApi } from "../support/api.ts";
import { as } from "../support/as.ts";
import { decimal, decodeVerdicts, encodeVersion2, version2 } from "../support/messages.ts";
import { newestUpload } from "../support/quarantine.ts";
import { rowsAdded } from "../support/rows.ts";
import { formats } from "../support/uploads.ts";
import { newUser, type TestUser } from "../support/users.ts";

const api = useApi(undefined, ({ settings }) => ({
  settings: { ...settings, unplacedStatus: "200" },
}));
const nowhere = 999_999;
let admin: TestUser;
beforeAll(async () => {
  admin = await newUser(api, { admin: true });
});

describe("where UNPLACED_STATUS is 200, an upload that can't be placed", () => {
  it("is answered 200 with the true verdicts, version 2, and kept", async () => {
    const meta = { cellId: nowhere, ts: 1 };
    const message = encodeVersion2([{ meta, type: 10, value: decimal(1), idx: 9 }]);
    const added = await rowsAdded(api.db, async () => {
      const answer = await api.postBytes(message, version2);
      expect([answer.statusCode, answer.headers["content-type"]]).toEqual([
        200,
        "application/octet-stream",
      ]);
      expect(decodeVerdicts(answer.rawPayload)).toEqual([[9, 3]]);
    });
    expect(added).toEqual({ quarantine: 1 });
  });

  it("is answered 200 with an error, version 1", async () => {
    const upload = formats["version 1"]({ cellId: nowhere });
    const answer = await api.inject({ method: "POST", url: "/api/sensor/", ...upload });
    expect(answer.statusCode).toBe(200);
    expect(fromBinary(ResponseSchema, answer.rawPayload).resp).toBe(1);
  });

  it.each(["/api/sensor/", "/u/no-such-key-at-all-here"])(
    "is told so in JSON where it came as that, at %s",
    async (url) => {
      const { payload } = formats["plain JSON"]({ cellId: nowhere });
      const answer = await api.inject({ method: "POST", url, payload });
      expect(answer.statusCode).toBe(200);
      expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
      expect(answer.json()).toMatchObject({
        status: expect.any(Number),
        code: expect.stringMatching(/^unknown_(cell|upload_key)$/),
        message: expect.any(String),
        quarantined: true,
      });
    },
  );

  it("has its error's status when it is replayed", async () => {
    const url = `/api/quarantine/${await newestUpload(api.db)}/replay`;
    expect((await as(api, admin).post(url, {})).statusCode).toBe(400);
  });
});

describe("where UNPLACED_STATUS is 200, what isn't kept", () => {
  it("has the status that it has elsewhere", async () => {
    const added = await rowsAdded(api.db, async () => {
      const large = await api.postBytes(Buffer.alloc(300_000));
      expect(large.statusCode).toBe(413);
      expect((await api.get(`/api/cell/${nowhere}`)).statusCode).toBe(404);
    });
    expect(added).toEqual({});
  });
});

import { io } from "socket.io-client";
import { afterAll, describe, expect, it } from "vitest";
import { newApiKey } from "../../src/auth/keys.ts";
import { connect } from "../../src/db/connect.ts";
import { useApi } from "../support/api.ts";
import { useListening } from "../support/listen.ts";
import { waitUntil } from "../support/wait-until.ts";
import { silentLog } from "../support/log.ts";

/** Nobody listens there. */
const away = connect("postgres://nobody@127.0.0.1:1/nowhere", silentLog);
afterAll(async () => await away.destroy());
const api = useApi(undefined, () => ({ db: away, reads: away }));
const server = useListening(api);

async function follow(accept: string) {
  return await api.inject({ url: "/api/live?cells=1", headers: { accept } });
}

describe("who comes while the database is away", () => {
  it("comes again by Socket.IO, when it can't be told who it is", async () => {
    const auth = { token: newApiKey() };
    const socket = io(server.url, { transports: ["websocket"], forceNew: true, auth });
    const [refusals, attempts]: [Error[], number[]] = [[], []];
    socket.on("connect_error", (error) => refusals.push(error));
    socket.io.on("reconnect_attempt", (nth) => attempts.push(nth));
    await waitUntil(() => attempts.length > 0);
    expect([socket.active, refusals]).toEqual([true, []]);
    socket.disconnect();
  });

  it("comes again by Socket.IO, when it can't be told of its cells", async () => {
    const { socket } = await server.connect();
    const reasons: string[] = [];
    socket.on("disconnect", (reason) => reasons.push(reason));
    socket.emit("subscribe_cells", { cellIds: [1] });
    await waitUntil(() => reasons.length > 0);
    expect([socket.active, reasons]).toEqual([true, ["transport close"]]);
  });

  it("comes again as an EventSource, which never does after a refusal", async () => {
    const { statusCode, headers, body } = await follow("text/event-stream");
    expect([statusCode, body]).toEqual([200, "retry: 5000\n\n"]);
    expect(headers["content-type"]).toMatch(/^text\/event-stream/);
    expect((await follow("*/*")).statusCode).toBe(503);
  });
});

import { connect, type AddressInfo, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { useListening } from "../support/listen.ts";
import { waitUntil } from "../support/wait-until.ts";

const perAddress = 5;
const api = useApi(undefined, ({ settings }) => ({
  settings: { ...settings, livePerAddress: perAddress },
}));
const server = useListening(api);

/** A connection that sends what it is told to, and counts what comes. */
async function open(): Promise<Socket & { heard: string; isOver: boolean }> {
  const { port } = api.app.server.address() as AddressInfo;
  const socket = Object.assign(connect({ port, host: "127.0.0.1" }), { heard: "", isOver: false });
  socket.on("data", (bytes) => (socket.heard += bytes.toString("latin1")));
  socket.on("error", () => undefined);
  socket.on("close", () => (socket.isOver = true));
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

const get = (path: string, more: readonly string[] = []) =>
  [`GET ${path} HTTP/1.1`, "Host: a", ...more, "", ""].join("\r\n");
const upgrade = (path = "/socket.io/?EIO=4&transport=websocket") =>
  get(path, [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  ]);

/** A text in a frame, with a mask of zeros. */
function frame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}

/** A connection by WebSocket, to which nobody has said yet what it is for. */
async function openWebSocket() {
  const socket = await open();
  socket.write(upgrade());
  await waitUntil(() => socket.heard.includes('"sid"'));
  return socket;
}

async function connections(): Promise<number> {
  const { body } = await api.app.inject("/metrics");
  return Number(/^ents_live_connections (\d+)$/m.exec(body)?.[1]);
}

async function expectAllFree(): Promise<void> {
  await waitUntil(async () => (await connections()) === 0);
  const dashboard = await server.connect();
  expect(await dashboard.ask("subscribe_cells", { cellIds: [] })).toMatchObject({ cellIds: [] });
  dashboard.close();
  await waitUntil(async () => (await connections()) === 0);
}

describe("the live channel", () => {
  it("lets in as many as there are seats for, when more come in one packet", async () => {
    const socket = await open();
    socket.write(get("/socket.io/?EIO=4&transport=polling").repeat(3 * perAddress));
    await waitUntil(() => socket.heard.split("HTTP/1.1").length > 3 * perAddress);
    expect(await connections()).toBe(perAddress);
    expect((await api.app.inject("/healthz")).statusCode).toBe(200);
    socket.destroy();
    // Sessions of long polling end when nobody asks for them; these are ended here.
    const sids = [...socket.heard.matchAll(/"sid":"([^"]+)"/g)].map(([, sid]) => sid);
    for (const sid of sids)
      await fetch(`${server.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, {
        method: "POST",
        body: "1",
      });
    await expectAllFree();
  });

  it("cuts off who asks and asks, and takes no answer", async () => {
    const socket = await openWebSocket();
    socket.write(frame("40"));
    await waitUntil(() => socket.heard.includes("40{"));
    socket.pause();
    const wish = frame('420["subscribe_cells",{"cellIds":[]}]');
    const many = Buffer.concat(Array.from({ length: 5000 }, () => wish));
    await waitUntil(async () => {
      socket.write(many);
      return (await connections()) === 0;
    });
    socket.destroy();
    await expectAllFree();
  });

  it("has one socket on a connection", async () => {
    const socket = await openWebSocket();
    socket.write(Buffer.concat(Array.from({ length: 2000 }, () => frame("40"))));
    await waitUntil(async () => (await connections()) === 0);
    expect(socket.heard.split("40{").length - 1).toBeLessThanOrEqual(1);
    socket.destroy();
    await expectAllFree();
  });

  it("takes a connection again that was left, and one that wasn't let in", async () => {
    const dashboard = await server.connect();
    const { engine } = dashboard.socket.io;
    dashboard.socket.io.engine.write("41");
    dashboard.socket.io.engine.write("40");
    await waitUntil(() => dashboard.socket.connected);
    expect(dashboard.socket.io.engine).toBe(engine);
    dashboard.close();
    await expectAllFree();
  });

  it("takes over no connection that is still owed an answer", async () => {
    const cellId = await newCell(api);
    const socket = await open();
    const stream = get(`/api/live?cells=${cellId}`);
    socket.write(stream + stream + upgrade());
    await waitUntil(() => socket.heard.includes("event: subscribed"));
    socket.destroy();
    await expectAllFree();
  });

  it("goes on when a connection is reset in the middle of its handshake", async () => {
    for (let nth = 0; nth < 20; nth += 1) {
      const socket = await open();
      socket.write(upgrade(), () => socket.resetAndDestroy());
      await waitUntil(() => socket.isOver);
    }
    await expectAllFree();
  });
});

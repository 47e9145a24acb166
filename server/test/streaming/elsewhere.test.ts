import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RunDirectory } from "../../src/lib/run-directory.ts";
import { useApi } from "../support/api.ts";
import { connectTo } from "../support/listen.ts";

const port = 8000;
let directory: string;
let run: RunDirectory;
const neighbour = (name: string) =>
  useApi(undefined, async () => {
    directory ??= await mkdtemp(join(tmpdir(), "ents-run-"));
    run ??= await RunDirectory.open(directory);
    return { neighbours: { name, pathOf: (other) => run.pathOf(port, other) } };
  });
const [one, other] = [neighbour("aaaa"), neighbour("bbbb")];
let turns: Server;

beforeAll(async () => {
  for (const { app } of [one, other]) await app.listen({ port: 0, host: "127.0.0.1" });
  turns = byTurns([one, other].map(({ app }) => (app.server.address() as AddressInfo).port)).listen(
    0,
    "127.0.0.1",
  );
  await once(turns, "listening");
});
afterAll(async () => {
  turns.close();
  await rm(directory, { recursive: true });
});

/** Gives each connection to the next one of some ports. */
function byTurns(ports: readonly number[]): Server {
  let nth = 0;
  return createServer((socket) => {
    const link = connect(ports[nth++ % ports.length]!, "127.0.0.1");
    socket.pipe(link).pipe(socket);
    socket.on("error", () => link.destroy());
    link.on("error", () => socket.destroy());
  });
}

const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const poll = (sid: string) =>
  fetch(`${urlOf(turns)}/socket.io/?EIO=4&transport=polling&sid=${sid}`);

describe("a session whose requests come to two processes by turns", () => {
  it.each([[["polling"]], [["polling", "websocket"]]])("is one session: %s", async (transports) => {
    const dashboard = await connectTo(urlOf(turns), { transports, reconnection: false });
    for (let nth = 0; nth < 5; nth += 1)
      expect(await dashboard.ask("subscribe_cells", { cellIds: [] })).toMatchObject({
        cellIds: [],
      });
    expect(dashboard.socket.io.engine.id).toMatch(/^(aaaa|bbbb)-/);
    dashboard.close();
  });

  it("is unknown where its process is gone, or never was", async () => {
    for (const sid of ["cccc-1", "aaaa-1", "../../x-1", "bbbb", "-"]) {
      const answer = await poll(sid);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toEqual({ code: 1, message: "Session ID unknown" });
    }
  });
});

/** Begins a session of long polling, at whichever process. @returns its id */
async function newSid(): Promise<string> {
  const url = `${urlOf(turns)}/socket.io/?EIO=4&transport=polling`;
  const sid = /"sid":"([^"]+)"/.exec(await (await fetch(url)).text())![1]!;
  // There is something to hear then.
  await fetch(`${url}&sid=${sid}`, { method: "POST", body: "40" });
  return sid;
}

/** Asks the process that has not the session. @returns the answer's first line; undefined: there was none */
async function askOther(sid: string, headers: readonly string[], isReset = false) {
  const { app } = sid.startsWith("aaaa") ? other : one;
  const socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => undefined);
  const path = `/socket.io/?EIO=4&transport=polling&sid=${sid}`;
  socket.write([`GET ${path} HTTP/1.1`, "Host: a", ...headers, "", ""].join("\r\n"), () => {
    if (isReset) socket.resetAndDestroy();
  });
  const data = once(socket, "data").then(([bytes]) => String(bytes).split("\r\n", 1)[0]);
  const line = await Promise.race([data, once(socket, "close").then(() => undefined)]);
  socket.destroy();
  return line;
}

describe("a request for a session of another process", () => {
  const upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];

  it.each([[["Trailer: X"]], [["TE: trailers", "Proxy-Connection: close"]]])(
    "is passed on without what is for its own connection: %j",
    async (headers) => {
      const sid = await newSid();
      expect(await askOther(sid, headers)).toBe("HTTP/1.1 200 OK");
      expect(await askOther("aaaa-1", headers)).toBe("HTTP/1.1 400 Bad Request");
    },
  );

  it("may be reset while it is passed on", async () => {
    for (let nth = 0; nth < 10; nth += 1) {
      await askOther(await newSid(), upgrade, true);
      await askOther(await newSid(), [], true);
    }
    expect((await poll(await newSid())).status).toBe(200);
  });
});

describe("a run directory", () => {
  it("tells of who lives, and forgets the dead", async () => {
    expect([await run.serves(port), await run.serves(port + 1)]).toEqual([true, false]);
  });

  it("is the user's alone, and elsewhere where its path would be too long", async () => {
    const deep = join(directory, "d".repeat(120));
    const path = (await RunDirectory.open(deep)).pathOf(65_535, RunDirectory.newName());
    expect(path.startsWith(tmpdir())).toBe(true);
    expect(Buffer.byteLength(path)).toBeLessThan(104);
    await rm(join(path, ".."), { recursive: true });
  });
});

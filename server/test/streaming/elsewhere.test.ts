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

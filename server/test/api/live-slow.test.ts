import type { Socket as TcpSocket } from "node:net";
import { beforeAll, expect, it } from "vitest";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { useListening, type Dashboard, type Heard } from "../support/listen.ts";
import { decimal, encodeVersion2, version2 } from "../support/messages.ts";

const api = useApi();
const server = useListening(api);
const ts = 1_705_316_400;
const perUpload = 400;
const uploads = 80;

/** The server's ends of the connections that it has. */
const ends = new Set<TcpSocket>();
beforeAll(() => void api.app.server.on("connection", (end: TcpSocket) => ends.add(end)));

/** The client's end of a connection by WebSocket, as the library for Node.js has it. */
function endOf({ socket }: Dashboard): Pick<TcpSocket, "pause" | "resume"> {
  const { transport } = socket.io.engine as unknown as {
    transport: { ws: { pause(): void; resume(): void } };
  };
  return { pause: () => transport.ws.pause(), resume: () => transport.ws.resume() } as TcpSocket;
}

it("who doesn't read costs a bounded memory, and hears of all when it reads again, merged", async () => {
  const cellId = await newCell(api);
  const [slow, quick] = [await server.connect(), await server.connect()];
  for (const one of [slow, quick]) await one.ask("subscribe_cells", { cellIds: [cellId] });
  endOf(slow).pause();
  let mostWaiting_bytes = 0;
  for (let nth = 0; nth < uploads; nth += 1) {
    const measurements = Array.from({ length: perUpload }, (_, idx) => ({
      meta: { cellId, loggerId: 7, ts: ts + nth * perUpload + idx },
      type: 10,
      value: decimal(nth),
      idx,
    }));
    expect((await api.postBytes(encodeVersion2(measurements), version2)).statusCode).toBe(200);
    const waiting = Math.max(...[...ends].map(({ writableLength }) => writableLength));
    mostWaiting_bytes = Math.max(mostWaiting_bytes, waiting);
  }
  const last = ts + uploads * perUpload - 1;
  const isDone = (heard: readonly Heard[]) => heard.some(({ data }) => data["timestamp"] === last);
  await quick.until(isDone);
  expect(isDone(slow.heard)).toBe(false);
  expect(mostWaiting_bytes).toBeLessThan(1_000_000);
  endOf(slow).resume();
  await slow.until(isDone);
  for (const { heard } of [slow, quick]) expect(countTold(heard)).toBe(uploads * perUpload);
});

/** Measurements that were told one by one, or counted where they were merged. */
function countTold(heard: readonly Heard[]): number {
  const merged = heard.filter(({ event }) => event === "readings_merged");
  const sinces = new Set(merged.map(({ data }) => data["since"]));
  const alone = heard.filter(
    ({ event, data }) => event === "measurement_received" && !sinces.has(data["cursor"]),
  );
  return merged.reduce((sum, { data }) => sum + Number(data["count"]), alone.length);
}

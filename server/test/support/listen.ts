import type { AddressInfo } from "node:net";
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { TestApi } from "./api.ts";
import { waitUntil } from "./wait-until.ts";

/** An event as a client has it. */
export interface Heard {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** A dashboard: a client of Socket.IO that remembers what it hears. */
export interface Dashboard {
  readonly socket: Socket;
  readonly heard: Heard[];
  /** Asks for an acknowledgement. */
  ask(event: string, payload: unknown): Promise<Record<string, unknown>>;
  /** What it has heard, once something is as it is to be. */
  until(isSo: (heard: readonly Heard[]) => boolean): Promise<readonly Heard[]>;
  close(): void;
}

const patience_ms = 20_000;

/** Has an API listen on a port of its own; answers its URL, and connects dashboards that end with their test. */
export function useListening(api: TestApi) {
  let url = "";
  const open: Dashboard[] = [];
  beforeAll(async () => {
    await api.app.listen({ port: 0, host: "127.0.0.1" });
    url = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`;
  });
  // A browser may open a connection that it never uses; the server would wait for its request.
  afterAll(() => api.app.server.closeAllConnections());
  afterEach(() => {
    for (const dashboard of open.splice(0)) dashboard.close();
  });
  return {
    get url() {
      return url;
    },
    async connect(options: Partial<ManagerOptions & SocketOptions> = {}): Promise<Dashboard> {
      const dashboard = await connectTo(url, options);
      open.push(dashboard);
      return dashboard;
    },
  };
}

/** @throws what the client is told, where it isn't let in */
export async function connectTo(
  url: string,
  options: Partial<ManagerOptions & SocketOptions> = {},
): Promise<Dashboard> {
  const socket = io(url, { transports: ["websocket"], forceNew: true, ...options });
  const heard: Heard[] = [];
  socket.onAny((event: string, data: Record<string, unknown>) => heard.push({ event, data }));
  const close = (): void => void socket.disconnect();
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", (error) => {
      close();
      reject(error);
    });
  });
  return {
    socket,
    heard,
    ask: async (event, payload) =>
      (await socket.timeout(patience_ms).emitWithAck(event, payload)) as Record<string, unknown>,
    until: async (isSo) => {
      await waitUntil(() => isSo(heard));
      return heard;
    },
    close,
  };
}

/** The measurements among what was heard, without what differs from run to run. */
export function measurementsOf(heard: readonly Heard[]): Record<string, unknown>[] {
  return heard
    .filter(({ event }) => event === "measurement_received")
    .map(({ data }) => {
      const { cursor, ...event } = data;
      expect(cursor).toMatch(/^[0-9a-z-]+$/);
      return event;
    });
}

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach } from "vitest";
import type { TtnSettings } from "../../src/ttn/client.ts";

/** A call as it came. */
export interface TtnCall {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Record<string, unknown> | undefined;
}

/** What becomes of a call: a status, or an answer that never comes although the call was understood. */
export type Fate = number | "lost";

/** A Things Stack of our own: it remembers devices, and fails where the test wants it to. */
export interface TtnStub {
  readonly settings: TtnSettings;
  readonly calls: TtnCall[];
  /** The devices of each server, as `identity plot-7`. */
  readonly devices: Set<string>;
  /** Says what becomes of a call; undefined: what it asks for. */
  fate: (method: string, server: string) => Fate | undefined;
}

const prefix =
  /^\/api\/v3(?:\/(ns|as|js))?\/applications\/garden\/devices(?:\/([\w-]+))?(?:\?.*)?$/;

/** Gives the test file that calls it a Things Stack, emptied before each test. */
export function useTtn(): TtnStub {
  const calls: TtnCall[] = [];
  const devices = new Set<string>();
  const server = createServer((request, response) => void handle(request, response));
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stub: TtnStub = {
    calls,
    devices,
    fate: () => undefined,
    get settings() {
      return {
        apiKey: "NNSXS.secret",
        application: "garden",
        identityUrl: url(),
        clusterUrl: url().replace("127.0.0.1", "localhost"),
        frequencyPlan: "US_902_928_FSB_2",
        timeout_ms: 200,
      };
    },
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url: path = "" } = request;
    const text = Buffer.concat(await request.toArray()).toString();
    const body = text === "" ? undefined : (JSON.parse(text) as TtnCall["body"]);
    calls.push({ method, path, authorization: request.headers.authorization, body });
    const [, short, named] = prefix.exec(path) ?? [];
    const name = `${short ?? "identity"} ${named ?? deviceIdOf(body)}`;
    const fate = stub.fate(method, short ?? "identity");
    if (typeof fate === "number") return void response.writeHead(fate).end("{}");
    const status = act(method, name);
    if (fate === undefined) response.writeHead(status).end(JSON.stringify(seen));
  }

  function act(method: string, name: string): number {
    if (method === "GET") return devices.has(name) ? 200 : 404;
    if (method === "DELETE") return devices.delete(name) ? 200 : 404;
    devices.add(name);
    return 200;
  }

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, resolve));
  });
  beforeEach(() => {
    calls.length = 0;
    devices.clear();
    stub.fate = () => undefined;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return stub;
}

const seen = { last_seen_at: "2024-01-15T12:00:00Z" };

function deviceIdOf(body: TtnCall["body"]): string {
  const device = body?.["end_device"] as { ids?: { device_id?: string } } | undefined;
  return device?.ids?.device_id ?? "";
}

import { pino } from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { TtnClient } from "../../src/ttn/client.ts";
import type { Device } from "../../src/ttn/device.ts";
import { silentLog } from "../support/log.ts";
import { useTtn } from "../support/ttn.ts";

const ttn = useTtn();

const appKey = "00112233445566778899AABBCCDDEEFF";
const device: Device = {
  id: "plot-7",
  name: "Plot 7",
  credentials: { devEui: "0080E1150546D093", joinEui: "0101010101010101", appKey },
};
const everywhere = ["identity plot-7", "ns plot-7", "as plot-7", "js plot-7"];

let client: TtnClient;
beforeEach(() => {
  client = new TtnClient(ttn.settings, silentLog);
});

const called = () => ttn.calls.map(({ method, path }) => `${method} ${path}`);
const devices = "applications/garden/devices";

describe("registering a device", () => {
  it("cuts a name that is too long for them", async () => {
    await client.register({ ...device, name: "é".repeat(60) });
    const names = ttn.calls.map(({ body }) => (body as { end_device: object }).end_device);
    expect(names[0]).toMatchObject({ name: "é".repeat(50) });
  });

  it("tells four servers, each what it is to know", async () => {
    await client.register(device);
    expect([...ttn.devices]).toEqual(everywhere);
    expect(called()).toEqual([
      `POST /api/v3/${devices}`,
      `PUT /api/v3/ns/${devices}/plot-7`,
      `PUT /api/v3/as/${devices}/plot-7`,
      `PUT /api/v3/js/${devices}/plot-7`,
    ]);
    for (const { authorization } of ttn.calls) expect(authorization).toBe("Bearer NNSXS.secret");
    const ids = { device_id: "plot-7", dev_eui: "0080E1150546D093", join_eui: "0101010101010101" };
    const idPaths = ["ids.device_id", "ids.dev_eui", "ids.join_eui"];
    expect(ttn.calls.map(({ body }) => body)).toEqual([
      {
        end_device: {
          ids,
          name: "Plot 7",
          network_server_address: "localhost",
          application_server_address: "localhost",
          join_server_address: "localhost",
        },
        field_mask: {
          paths: [
            ...idPaths,
            "name",
            "network_server_address",
            "application_server_address",
            "join_server_address",
          ],
        },
      },
      {
        end_device: {
          ids,
          supports_join: true,
          lorawan_version: "MAC_V1_0_3",
          lorawan_phy_version: "PHY_V1_0_3_REV_A",
          frequency_plan_id: "US_902_928_FSB_2",
        },
        field_mask: {
          paths: [
            ...idPaths,
            "supports_join",
            "lorawan_version",
            "lorawan_phy_version",
            "frequency_plan_id",
          ],
        },
      },
      { end_device: { ids }, field_mask: { paths: idPaths } },
      {
        end_device: {
          ids,
          network_server_address: "localhost",
          application_server_address: "localhost",
          root_keys: { app_key: { key: appKey } },
        },
        field_mask: {
          paths: [
            ...idPaths,
            "network_server_address",
            "application_server_address",
            "root_keys.app_key.key",
          ],
        },
      },
    ]);
  });

  it.each(
    ["identity", "ns", "as", "js"].flatMap((server) => [
      [server, 403, "ttn_refused"] as const,
      [server, 409, "ttn_device_taken"] as const,
      [server, 503, "ttn_not_reached"] as const,
      [server, "lost", "ttn_not_reached"] as const,
    ]),
  )("leaves nothing behind when %s answers %s", async (server, fate, code) => {
    ttn.fate = (method, at) => (method !== "DELETE" && at === server ? fate : undefined);
    await expect(client.register(device)).rejects.toMatchObject({ code });
    expect([...ttn.devices]).toEqual([]);
    const undone = ttn.calls.filter(({ method }) => method === "DELETE").map(({ path }) => path);
    const order = [...["js", "as", "ns"].map((at) => `/${at}`), ""].map(
      (at) => `/api/v3${at}/${devices}/plot-7`,
    );
    expect(undone).toEqual(order.slice(order.length - undone.length));
  });

  it("takes away no device that was there before", async () => {
    ttn.devices.add("identity plot-7");
    ttn.fate = (method) => (method === "POST" ? 409 : undefined);
    await expect(client.register(device)).rejects.toMatchObject({ kind: "conflict" });
    expect([...ttn.devices]).toEqual(["identity plot-7"]);
    expect(ttn.calls).toHaveLength(1);
  });

  it("says in the log, without any secret, what it could not undo", async () => {
    const lines: string[] = [];
    const log = pino({}, { write: (line) => void lines.push(line) });
    ttn.fate = (method, at) => {
      if (method === "PUT" && at === "js") return 400;
      return method === "DELETE" && at === "as" ? "lost" : undefined;
    };
    const { message } = await new TtnClient(ttn.settings, log).register(device).then(
      () => expect.fail(),
      (error: Error) => error,
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("plot-7");
    for (const text of [message, ...lines]) {
      expect(text).not.toContain(appKey);
      expect(text).not.toContain("NNSXS");
    }
  });
});

describe("removing a device", () => {
  it("goes the other way round", async () => {
    for (const name of everywhere) ttn.devices.add(name);
    await client.remove("plot-7");
    expect([...ttn.devices]).toEqual([]);
    expect(called()).toEqual([
      `DELETE /api/v3/js/${devices}/plot-7`,
      `DELETE /api/v3/as/${devices}/plot-7`,
      `DELETE /api/v3/ns/${devices}/plot-7`,
      `DELETE /api/v3/${devices}/plot-7`,
    ]);
  });

  it("stops at a server that fails, and goes on when asked again", async () => {
    for (const name of everywhere) ttn.devices.add(name);
    ttn.fate = (_, at) => (at === "ns" ? 500 : undefined);
    await expect(client.remove("plot-7")).rejects.toMatchObject({ code: "ttn_not_reached" });
    expect([...ttn.devices]).toEqual(["identity plot-7", "ns plot-7"]);
    ttn.fate = () => undefined;
    await client.remove("plot-7");
    expect([...ttn.devices]).toEqual([]);
  });
});

describe("finding a device", () => {
  it("says when the network saw it last", async () => {
    ttn.devices.add("identity plot-7");
    expect(await client.find("plot-7")).toEqual({
      device_id: "plot-7",
      last_seen_at: "2024-01-15T12:00:00Z",
    });
    expect(called()).toEqual([`GET /api/v3/${devices}/plot-7?field_mask.paths=name,last_seen_at`]);
  });

  it("finds none where there is none, and fails where it can't ask", async () => {
    expect(await client.find("plot-8")).toBeUndefined();
    ttn.fate = () => "lost";
    await expect(client.find("plot-7")).rejects.toMatchObject({ code: "ttn_not_reached" });
  });
});

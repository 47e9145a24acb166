import { describe, expect, it } from "vitest";
import { createCell, updateCell } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { setMember } from "../../src/store/members.ts";
import { useApi } from "../support/api.ts";
import { newCell } from "../support/cells.ts";
import { measurementsOf, useListening } from "../support/listen.ts";
import { decimal, encodeVersion1, encodeVersion2, version2 } from "../support/messages.ts";
import { newUser } from "../support/users.ts";

const api = useApi(undefined, ({ settings }) => ({
  settings: { ...settings, livePerAddress: 12 },
}));
const server = useListening(api);
const ts = 1_705_316_400;
const loggerId = 7;

let sentLast = 0;

/** Stores a reading that comes after all others: when it is heard, they were. */
async function sendLast(cellId: number): Promise<void> {
  sentLast += 1;
  const last = { type: "last", cellId, loggerId, ts: ts + 1e6 + sentLast, data: { at: 1 } };
  expect((await api.postJson("/api/sensor_json/", last)).statusCode).toBe(200);
}

const isLast = ({ data }: { data: Record<string, unknown> }) => data["type"] === "last";

/** What a dashboard of a cell hears of some uploads, in order. */
async function hear(cellId: number, act: () => Promise<unknown>) {
  const dashboard = await server.connect();
  await dashboard.ask("subscribe_cells", { cellIds: [cellId] });
  await act();
  await sendLast(cellId);
  const heard = await dashboard.until((all) => all.some(isLast));
  return measurementsOf(heard).slice(0, -1);
}

const event = (cellId: number, type: string, data: object, more: object = {}) => ({
  type,
  cellId,
  loggerId,
  timestamp: ts,
  data,
  obj_count: 0,
  ...more,
});

describe("who has subscribed to a cell", () => {
  it.each([
    ["power", { voltage: 0.12229999999999999, current: 0.00012 }],
    ["power", { voltage: 0.1, current: 1e-7 }],
    ["teros12", { vwcRaw: 2124.62, vwcAdj: 0.43, temp: 24.8, ec: 123 }],
    ["teros12", { vwcRaw: 2124.62, vwcAdj: 43.1, temp: 24.8, ec: 123 }],
    ["d10", { flow: 1.5, volumeElapsed: 10, timeElapsed: 60 }],
    ["pcap02", { capacitance: 2e-7 }],
    [
      "edu0157",
      {
        windSpeed: 2.5,
        windDirection: 180,
        altitude: 10,
        pressure: 1013.2,
        temperature: 20.5,
        humidity: 51,
      },
    ],
  ] as const)(
    "hears a version-1 %s message as one event, as it was sent: %o",
    async (type, data) => {
      const cellId = await newCell(api);
      const message = { case: type, value: data } as Parameters<typeof encodeVersion1>[1];
      const heard = await hear(cellId, () =>
        api.postBytes(encodeVersion1({ cellId, loggerId, ts }, message)),
      );
      expect(heard).toEqual([event(cellId, type, data)]);
    },
  );

  it("hears integers of version 1 in the units of their fields", async () => {
    const cellId = await newCell(api);
    const message = {
      case: "bme280",
      value: { pressure: 10132, temperature: 2155, humidity: 43200 },
    } as const;
    const heard = await hear(cellId, () =>
      api.postBytes(encodeVersion1({ cellId, loggerId, ts }, message)),
    );
    expect(heard).toEqual([
      event(cellId, "bme280", { pressure: 1013.2, temperature: 21.55, humidity: 43.2 }),
    ]);
  });

  it("hears each measurement of version 2 by itself, in the order of the log, and no derived power", async () => {
    const cellId = await newCell(api);
    const meta = { cellId, loggerId, ts };
    const measurements = [
      { meta, type: 1, value: decimal(850), idx: 0 },
      { meta, type: 2, value: decimal(120), idx: 1 },
      { meta, type: 10, value: decimal(Number.NaN), idx: 2 },
    ];
    const heard = await hear(cellId, () => api.postBytes(encodeVersion2(measurements), version2));
    expect(heard).toEqual([
      event(cellId, "POWER_VOLTAGE", { Voltage: 850 }),
      event(cellId, "POWER_CURRENT", { Current: 120 }),
      event(cellId, "BME280_TEMP", { Temperature: null }),
    ]);
  });

  it("hears plain JSON and the older forms by name in their own form", async () => {
    const cellId = await newCell(api);
    const { name } = await api.db
      .selectFrom("cell")
      .select("name")
      .where("id", "=", cellId)
      .executeTakeFirstOrThrow();
    const logger = await createLogger(api.db, { name: `logger of ${name}` });
    const heard = await hear(cellId, async () => {
      await api.postJson("/api/sensor_json/", {
        type: "co2",
        cellId,
        loggerId,
        ts,
        data: { CO2: 400, state: 1, Photoresistivity: 2 },
      });
      await api.postJson("/api/sensor_json/", {
        type: "newcomer",
        cellId,
        ts,
        data: { b: 1.5, a: 2 },
      });
      await api.postJson("/api/power/", {
        cell: name,
        logger: logger.name,
        ts,
        v: 0.31,
        i: 0.0000271,
      });
      await api.postJson("/api/teros/", {
        cell: name,
        ts,
        vwc: 0.3,
        temp: 21,
        ec: 12,
        water_pot: -5,
      });
    });
    expect(heard).toEqual([
      event(cellId, "co2", { CO2: 400, state: 1, Photoresistivity: 2 }),
      event(cellId, "newcomer", { b: 1.5, a: 2 }, { loggerId: null }),
      event(cellId, "power", { voltage: 0.31, current: 0.0000271 }, { loggerId: logger.id }),
      event(cellId, "teros12", { vwcAdj: 0.3, temp: 21, ec: 12, waterPot: -5 }, { loggerId: null }),
    ]);
  });

  it("hears nothing of repeats, conflicts, what is in quarantine, and other cells", async () => {
    const [cellId, other] = [await newCell(api), await newCell(api)];
    const upload = (id: number, value: number, at = ts) =>
      api.postBytes(
        encodeVersion2([
          { meta: { cellId: id, loggerId, ts: at }, type: 10, value: decimal(value) },
        ]),
        version2,
      );
    // Until another one has heard of the first reading, it may be on its way to whoever subscribes.
    expect(await hear(cellId, () => upload(cellId, 1))).toHaveLength(1);
    const heard = await hear(cellId, async () => {
      await upload(cellId, 1);
      await upload(cellId, 2);
      await upload(other, 3);
      await upload(2 ** 31 - 2, 3);
      await upload(cellId, 4, ts + 1);
    });
    expect(heard).toEqual([
      event(cellId, "BME280_TEMP", { Temperature: 4 }, { timestamp: ts + 1 }),
    ]);
  });

  it("hears nothing more once it has unsubscribed, and of each cell alone", async () => {
    const [first, second] = [await newCell(api), await newCell(api)];
    const dashboard = await server.connect();
    // As older dashboards do it: without acknowledgements, and with numbers as text.
    dashboard.socket.emit("subscribe_cells", { cellIds: [first, String(second)] });
    await dashboard.ask("unsubscribe_cells", { cellIds: [first] });
    await sendLast(first);
    await sendLast(second);
    const heard = await dashboard.until((all) => all.some(isLast));
    expect(measurementsOf(heard).map(({ cellId }) => cellId)).toEqual([second]);
  });

  it("hears the same by long polling, at the path with its slash", async () => {
    const cellId = await newCell(api);
    const dashboard = await server.connect({
      transports: ["polling"],
      path: "/socket.io/",
      addTrailingSlash: true,
    });
    await dashboard.ask("subscribe_cells", { cellIds: [cellId] });
    await sendLast(cellId);
    await sendLast(await newCell(api));
    const heard = await dashboard.until((all) => all.some(isLast));
    expect(measurementsOf(heard)).toHaveLength(1);
  });

  it("answers a poll of a client in Python with the 16 packets that it can take", async () => {
    const cellId = await newCell(api);
    const dashboard = await server.connect();
    const { cursor } = await dashboard.ask("subscribe_cells", { cellIds: [cellId] });
    const first = sentLast + 1;
    const numbers = Array.from({ length: 40 }, (_, nth) => first + nth);
    for (const _ of numbers) await sendLast(cellId);
    const url = `${server.url}/socket.io/?EIO=4&transport=polling`;
    const headers = { "user-agent": "python-requests/2.34.2" };
    const sid = /"sid":"([^"]+)"/.exec(await (await fetch(url, { headers })).text())![1]!;
    const post = async (body: string) => await fetch(`${url}&sid=${sid}`, { method: "POST", body });
    const poll = async () => (await (await fetch(`${url}&sid=${sid}`)).text()).split("\u001E");
    await post("40");
    await poll();
    await post(`42${JSON.stringify(["subscribe_cells", { cellIds: [cellId], cursor }])}`);
    const heard: string[] = [];
    while (heard.length < numbers.length) {
      const packets = await poll();
      expect(packets.length).toBeLessThanOrEqual(16);
      heard.push(...packets.filter((packet) => packet.includes("measurement_received")));
    }
    await post("1");
    const times = heard.map((packet) => Number(/"timestamp":(\d+)/.exec(packet)?.[1]));
    expect(times).toEqual(numbers.map((nth) => ts + 1e6 + nth));
  });
});

it("lets a dashboard subscribe chart by chart, all at once", async () => {
  const cellIds = await Promise.all(Array.from({ length: 30 }, () => newCell(api)));
  const dashboard = await server.connect();
  for (const cellId of cellIds) dashboard.socket.emit("subscribe_cells", { cellIds: [cellId] });
  // Wishes are granted one after the other.
  await dashboard.ask("unsubscribe_cells", { cellIds: [] });
  for (const cellId of cellIds) await sendLast(cellId);
  const heard = await dashboard.until((all) => all.length === cellIds.length);
  expect(measurementsOf(heard).map(({ cellId }) => cellId)).toEqual(cellIds);
});

async function newPrivateCell(ownerId: string): Promise<number> {
  const { id } = await createCell(api.db, {
    name: `private ${ts} ${Math.random()}`,
    uploadPolicy: "open",
    userId: ownerId,
  });
  await updateCell(api.db, id, { visibility: "private" });
  return id;
}

describe("a private cell", () => {
  it("is refused to others like one that doesn't exist, and heard by its members", async () => {
    const [owner, viewer, stranger] = [await newUser(api), await newUser(api), await newUser(api)];
    const cellId = await newPrivateCell(owner.id);
    await setMember(api.db, cellId, viewer.id, "viewer");
    const token = ({ headers }: typeof owner) => headers.authorization.replace("Bearer ", "");
    const members = [
      await server.connect({ auth: { token: token(owner) } }),
      await server.connect({ extraHeaders: { authorization: viewer.headers.authorization } }),
    ];
    const others = [
      await server.connect({ auth: { token: token(stranger) } }),
      await server.connect(),
    ];
    for (const member of members)
      expect(await member.ask("subscribe_cells", { cellIds: [cellId] })).toMatchObject({
        cellIds: [cellId],
        refused: [],
      });
    for (const other of others)
      expect(await other.ask("subscribe_cells", { cellIds: [cellId, 2 ** 31 - 2] })).toMatchObject({
        cellIds: [],
        refused: [
          { cellId, code: "cell_not_found" },
          { cellId: 2 ** 31 - 2, code: "cell_not_found" },
        ],
      });
    others[1]!.socket.emit("subscribe_cells", { cellIds: [cellId] });
    await sendLast(cellId);
    for (const member of members) await member.until((all) => all.some(isLast));
    await others[1]!.until((all) => all.some(({ event: name }) => name === "subscribe_error"));
    expect(others.flatMap(({ heard }) => measurementsOf(heard))).toEqual([]);
  });

  it("is nobody's whose token isn't good", async () => {
    await expect(server.connect({ auth: { token: "nonsense" } })).rejects.toMatchObject({
      data: { code: "token_invalid" },
    });
    await expect(
      server.connect({ auth: { token: `ents_${"a".repeat(43)}` } }),
    ).rejects.toMatchObject({
      data: { code: expect.stringMatching(/unknown_key|token_invalid/) as string },
    });
  });
});

describe("a connection", () => {
  it.each([
    [undefined, "invalid_payload"],
    [{ cellIds: "1" }, "invalid_payload"],
    [{ cellIds: [0] }, "invalid_payload"],
    [{ cellIds: Array.from({ length: 1001 }, (_, at) => at + 1) }, "invalid_payload"],
    [{ cellIds: [1], cursor: "x" }, "cursor_invalid"],
    [{ cellIds: [1], cursor: "1-1-1-1" }, "cursor_gone"],
  ])("is told what is wrong with %j", async (payload, code) => {
    const dashboard = await server.connect();
    expect(await dashboard.ask("subscribe_cells", payload)).toMatchObject({ error: { code } });
  });

  it("follows 1000 cells at most", async () => {
    const dashboard = await server.connect();
    const cellId = await newCell(api);
    const others = Array.from({ length: 999 }, (_, at) => 2 ** 30 + at);
    expect(await dashboard.ask("subscribe_cells", { cellIds: [cellId, ...others] })).toMatchObject({
      cellIds: [cellId],
    });
    expect(
      await dashboard.ask("subscribe_cells", { cellIds: [cellId, ...others, 1].slice(1) }),
    ).toMatchObject({
      error: { code: "too_many_cells" },
    });
  });

  it("is one of few from its address, and makes room when it ends", async () => {
    const many = await Promise.all(Array.from({ length: 12 }, () => server.connect()));
    await expect(server.connect()).rejects.toThrow();
    many.forEach((dashboard) => dashboard.close());
    await expect
      .poll(
        async () =>
          await server.connect().then(
            () => "in",
            () => "out",
          ),
        { timeout: 10_000 },
      )
      .toBe("in");
  });

  it("that asks for another protocol is answered in this one", async () => {
    const { request } = await import("node:http");
    const status = await new Promise((resolve, reject) => {
      const options = {
        headers: {
          Connection: "Upgrade, HTTP2-Settings",
          Upgrade: "h2c",
          "HTTP2-Settings": "AAMAAABkAAQAAP__",
        },
      };
      request(`${server.url}/api/`, options, ({ statusCode }) => resolve(statusCode))
        .on("error", reject)
        .end();
    });
    expect(status).toBe(200);
  });
});

import type { HTTPMethods, InjectOptions, LightMyRequestResponse } from "fastify";
import { beforeAll, describe, expect, it } from "vitest";
import { hashPassword } from "../../src/auth/passwords.ts";
import { addCellTag } from "../../src/store/cell-tags.ts";
import type { Visibility } from "../../src/store/cells.ts";
import { setMember } from "../../src/store/members.ts";
import { formatCursor } from "../../src/streaming/cursor.ts";
import { findLogEnd } from "../../src/timeseries/arrivals.ts";
import { useApi } from "../support/api.ts";
import { acquaint } from "../support/team.ts";
import { formats } from "../support/uploads.ts";
import { findSettledEnd } from "../support/settled-end.ts";
import { callers, mark, newWorld, worldState, type World } from "../support/world.ts";

/**
 * Every route of the API, and the status that each caller gets of it. There is a private cell that takes uploads
 * with a key only; it, a logger, a tag and a key belong to the owner; the keys that call are the owner's, the last
 * one is that of the owner's logger. `+` and `-` say whether the answer shows what is in the cell.
 */
const whereThereIsAPrivateCell = `
                                  nobody stranger viewer editor owner admin read upload manage logger
GET /api                             200      200    200    200   200   200  200    200    200    200
GET /api/openapi.json                200      200    200    200   200   200  200    200    200    200
GET /api/docs                        200      200    200    200   200   200  200    200    200    200
GET /healthz                         200      200    200    200   200   200  200    200    200    200
GET /readyz                          200      200    200    200   200   200  200    200    200    200
GET /metrics                         200      200    200    200   200   200  200    200    200    200
GET /api/oauth/url                   404      404    404    404   404   404  404    404    404    404
GET /api/auth/token                  400      400    400    400   400   400  400    400    400    400
POST /api/auth/register              201      201    201    201   201   201  201    201    201    201
POST /api/auth/login                 201      201    201    201   201   201  201    201    201    201
POST /api/auth/password              401      200    200    200   200   200  403    403    403    403
GET /api/auth/refresh                403      403    403    403   403   403  403    403    403    403
GET /api/auth/logout                 204      204    204    204   204   204  204    204    204    204
GET /api/auth/logged_in              401      200    200    200   200   200  401    401    401    401
GET /api/session                     401      200    200    200   200   200  403    403    403    403
GET /api/user                        401      200    200    200   200   200  200    403    403    403
PUT /api/user                        401      200    200    200   200   200  403    403    200    403

GET /api/apikey                      401      200    200    200   200   200  403    403    403    403
POST /api/apikey                     401      201    201    201   201   201  403    403    403    403
DELETE /api/apikey                   401      200    200    200   200   200  403    403    403    403
GET /api/keys                        401      200    200    200   200   200  403    403    403    403
POST /api/keys                       401      201    201    201   201   201  403    403    403    403
DELETE /api/keys/{key}               401      404    404    404   200   404  403    403    403    403

POST /api/sensor                     401      403    403    200   200   200  403    200    403    200
POST /api/sensor_json                401      403    403    200   200   200  403    200    403    200
POST /api/power                      401      403    403    200   200   200  403    200    403    200
POST /api/teros                      401      403    403    200   200   200  403    200    403    200
POST /u/{key}                        200      200    200    200   200   200  200    200    200    200

GET /api/sensor                     404-     404-   200+   200+  200+  200+ 200+   404-   404-    403
GET /api/sensor_json                404-     404-   200+   200+  200+  200+ 200+   404-   404-    403
GET /api/power/{cell}               404-     404-   200+   200+  200+  200+ 200+   404-   404-    403
GET /api/teros/{cell}               404-     404-   200+   200+  200+  200+ 200+   404-   404-    403
GET /api/readings                   200-     200-   200+   200+  200+  200+ 200+   200-   200-    403
GET /api/export.csv                 404-     404-   200+   200+  200+  200+ 200+   404-   404-    403
GET /api/readings/since             200-     200-   200+   200+  200+  200+ 200+   200-   200-    403
GET /api/live                       404-     404-   200+   200+  200+  200+ 200+   404-   404-    403
GET /api/data-availability          404-     404-   200+   200+  200+  200+ 200+   404-   404-    403
GET /api/catalog/sensors            404-     404-   200+   200+  200+  200+ 200+   404-   404-    403
POST /api/equations/validate         200      200    200    200   200   200  200    200    200    403

GET /api/cell                       200-     200-   200+   200+  200+  200+ 200+   200-   200-    403
GET /api/cell/id                    200-     200-   200+   200+  200+  200+ 200+   200-   200-    403
GET /api/cell/{cell}                404-     404-   200+   200+  200+  200+ 200+   404-   404-    403
GET /api/cell/{cell}/sensors        404-     404-   200+   200+  200+  200+ 200+   404-   404-    403
POST /api/cell                       401      200    200    200   200   200  403    403    200    403
PUT /api/cell/{cell}                 401      404    403    200   200   200  403    403    200    403
DELETE /api/cell/{cell}              401      404    403    403   200   200  403    403    200    403
GET /api/cell/{cell}/audit           401      404    403    403   200   200  200    403    403    403
GET /api/cell/{cell}/conflicts      404-     404-   200+   200+  200+  200+ 200+   404-   404-    403

GET /api/cell/{cell}/users           401      404    200    200   200   200  200    403    403    403
POST /api/cell/{cell}/users          401      404    403    403   200   200  403    403    200    403
PUT /api/cell/{cell}/users/{user}    401      404    403    403   200   200  403    403    200    403
DELETE /api/cell/{cell}/users/{user} 401      404    403    403   200   200  403    403    200    403
POST /api/cell/{cell}/share          401      404    403    403   200   200  403    403    200    403
GET /api/users/{user}/cells         401-     403-   403-   403-  200+  200+ 200+   403-   403-    403

GET /api/cell/{cell}/tags            404      404    200    200   200   200  200    404    404    403
POST /api/cell/{cell}/tags           401      404    403    200   200   200  403    403    200    403
PUT /api/cell/{cell}/tags/{tag}      401      404    403    200   200   200  403    403    200    403
DELETE /api/cell/{cell}/tags/{tag}   401      404    403    200   200   200  403    403    200    403
GET /api/tag                         200      200    200    200   200   200  200    200    200    403
GET /api/tag/{tag}                   200      200    200    200   200   200  200    200    200    403
GET /api/tags/{tag}/cells           200-     200-   200+   200+  200+  200+ 200+   200-   200-    403
POST /api/tag                        401      201    201    201   201   201  403    403    201    403
PUT /api/tag/{tag}                   401      403    403    403   200   200  403    403    200    403
DELETE /api/tag/{tag}                401      403    403    403   200   200  403    403    200    403

GET /api/logger                      401      200    200    200   200   200  200    403    403    403
GET /api/logger/unregistered         401      200    200    200   200   200  200    403    403    403
GET /api/logger/{logger}             401      200    200    200   200   200  200    403    403    403
POST /api/logger                     401      201    201    201   201   201  403    403    201    403
PUT /api/logger/{logger}             401      403    403    403   200   200  403    403    200    403
DELETE /api/logger/{logger}          401      403    403    403   200   200  403    403    200    403
POST /api/logger/{logger}/upload-key 401      403    403    403   201   201  403    403    201    403
DELETE /api/logger/{logger}/upload-key 401    403    403    403   200   200  403    403    200    403

GET /api/quarantine                 401-     200-   200-   200-  200+  200+ 403-   403-   200+    403
GET /api/quarantine/{upload}        401-     404-   404-   404-  200+  200+ 403-   403-   200+    403
POST /api/quarantine/{upload}/replay 401     404    404    404   200   200  403    403    200    403
POST /api/quarantine/replay         401-     200-   200-   200-  200+  200+ 403-   403-   200+    403
DELETE /api/quarantine/{upload}      401     404    404    404   200   200  403    403    200    403

GET /api/tasks                       401      200    200    200   200   200  200    403    403    403
POST /api/tasks                      401      404    202    202   202   202  202    403    403    403
GET /api/tasks/{task}               401-     404-   404-   404-  200+  404- 200+   403-   403-    403
GET /api/tasks/{task}/result        401-     404-   404-   404-  200+  404- 200+   403-   403-    403
DELETE /api/tasks/{task}             401      404    404    404   200   404  200    403    403    403
POST /api/imports                    401      404    403    202   202   202  403    202    403    403
GET /api/imports/{import}           401-     404-   404-   404-  200+  404- 403-   200+   403-    403
POST /api/imports/{import}/run       401      404    404    404   202   404  403    202    403    403
DELETE /api/imports/{import}         401      404    404    404   200   404  403    200    403    403
GET /api/cell/datas                  404      404    404    404   404   404  404    404    404    404
GET /api/status/{task}               404      404    404    404   404   404  404    404    404    404

GET /api/audit                       401      403    403    403   403   200  403    403    403    403
`;

/** What is another answer where that cell is public; it takes uploads with a key only all the same. */
const whereItIsPublic = `
                                  nobody stranger viewer editor owner admin read upload manage logger
POST /api/sensor                     401      403    403    200   200   200  403    200    403    200
GET /api/sensor                     200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/sensor_json                200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/power/{cell}               200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/teros/{cell}               200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/readings                   200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/export.csv                 200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/readings/since             200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/live                       200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/data-availability          200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/catalog/sensors            200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/cell                       200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/cell/id                    200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/cell/{cell}                200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/cell/{cell}/sensors        200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/cell/{cell}/tags            200      200    200    200   200   200  200    200    200    403
GET /api/tags/{tag}/cells           200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/cell/{cell}/conflicts      200+     200+   200+   200+  200+  200+ 200+   200+   200+    403
GET /api/quarantine                 401-     200-   200-   200-  200+  200+ 403-   403-   200+    403
GET /api/quarantine/{upload}        401-     404-   404-   404-  200+  200+ 403-   403-   200+    403
POST /api/quarantine/{upload}/replay 401     404    404    404   200   200  403    403    200    403
POST /api/tasks                      401      202    202    202   202   202  202    403    403    403
POST /api/imports                    401      403    403    202   202   202  403    202    403    403
GET /api/cell/datas                  200      200    200    200   200   200  200    200    200    200
PUT /api/cell/{cell}                 401      403    403    200   200   200  403    403    200    403
DELETE /api/cell/{cell}              401      403    403    403   200   200  403    403    200    403
GET /api/cell/{cell}/audit           401      403    403    403   200   200  200    403    403    403
GET /api/cell/{cell}/users           401      403    200    200   200   200  200    403    403    403
POST /api/cell/{cell}/users          401      403    403    403   200   200  403    403    200    403
PUT /api/cell/{cell}/users/{user}    401      403    403    403   200   200  403    403    200    403
DELETE /api/cell/{cell}/users/{user} 401      403    403    403   200   200  403    403    200    403
POST /api/cell/{cell}/share          401      403    403    403   200   200  403    403    200    403
POST /api/cell/{cell}/tags           401      403    403    200   200   200  403    403    200    403
PUT /api/cell/{cell}/tags/{tag}      401      403    403    200   200   200  403    403    200    403
DELETE /api/cell/{cell}/tags/{tag}   401      403    403    200   200   200  403    403    200    403
`;

/** What is sent beside the path, whose numbers come from the world; and what there must be first. */
interface Request {
  readonly query?: string;
  readonly ids?: Partial<World["ids"]>;
  readonly headers?: Record<string, string>;
  readonly payload?: InjectOptions["payload"];
  /** What one address may have is shared by all who call from there. */
  readonly remoteAddress?: string;
  readonly given?: Promise<unknown>;
}

const password = "correct horse battery";
const ts = 1_705_316_400;
const tagged = async ({ db, cellId, tagId }: World) => addCellTag(db, cellId, tagId);
const reading = "name=POWER_VOLTAGE&measurement=Voltage&startTime=0&resample=none";
const readingOf = ({ cellId }: World): Request => ({ query: `${reading}&cellId=${cellId}` });
const json = (payload: object) => (): Request => ({ payload });
const named = ({ cellName }: World) => `of ${cellName}`;

const requests: Readonly<Record<string, (world: World) => Request>> = {
  "POST /api/auth/register": (world) => ({
    payload: { email: `new-${world.owner.email}`, password, first_name: "N", last_name: "N" },
  }),
  "POST /api/auth/login": ({ owner: { email } }) => ({ payload: { email, password } }),
  "POST /api/auth/password": json({
    current_password: password,
    new_password: "battery horse correct",
  }),
  "PUT /api/user": json({ first_name: "N" }),
  "DELETE /api/apikey": ({ db, person }) => ({
    given: db
      .insertInto("api_key")
      .values({
        account_id: person.id,
        name: "default",
        prefix: "ents_",
        hash: Buffer.from(person.id),
        scopes: [],
        created_at: new Date(0),
        expires_at: null,
      })
      .execute(),
  }),
  "POST /api/keys": json({ name: "new", scopes: ["read"] }),
  "POST /api/sensor": formats["version 1"],
  "POST /api/sensor_json": formats["plain JSON"],
  "POST /api/power": ({ cellName }) => ({ payload: { cell: cellName, ts, v: 1, i: 1 } }),
  "POST /api/teros": ({ cellName }) => ({
    payload: { cell: cellName, ts, vwc: 1, temp: 1, ec: 1 },
  }),
  "POST /u/{key}": (world) => ({ ...formats["version 2"](world), ids: { key: world.uploadKey } }),
  "GET /api/sensor": readingOf,
  "GET /api/sensor_json": readingOf,
  "GET /api/power/{cell}": () => ({ query: reading }),
  "GET /api/teros/{cell}": () => ({ query: reading }),
  "GET /api/readings": ({ cellId }) => ({ query: `cells=${cellId}&start=0&resample=none` }),
  "GET /api/export.csv": ({ cellId }) => ({ query: `cells=${cellId}` }),
  "GET /api/readings/since": ({ db, cellId }) => ({
    query: `cells=${cellId}&cursor=${beginning}`,
    given: findSettledEnd(db),
  }),
  "GET /api/live": ({ cellId }) => ({ query: `cells=${cellId}&cursor=${beginning}` }),
  "GET /api/data-availability": ({ cellId }) => ({ query: `cell_ids=${cellId}` }),
  "GET /api/catalog/sensors": ({ cellId }) => ({ query: `cell_id=${cellId}` }),
  "POST /api/equations/validate": json({ expression: "1:v", cell_ids: [1] }),
  "POST /api/cell": (world) => ({ payload: { name: named(world) } }),
  "PUT /api/cell/{cell}": json({ location: "elsewhere" }),
  "POST /api/cell/{cell}/users": (world) => ({
    payload: { user_ids: [world.guest.id] },
    given: acquaint(world, world.owner, world.guest),
  }),
  "PUT /api/cell/{cell}/users/{user}": (world) => ({
    payload: {},
    given: acquaint(world, world.owner, world.guest),
  }),
  "DELETE /api/cell/{cell}/users/{user}": ({ db, cellId, guest }) => ({
    given: setMember(db, cellId, guest.id, "viewer"),
  }),
  "POST /api/cell/{cell}/share": ({ guest: { email } }) => ({ payload: { email } }),
  "GET /api/users/{user}/cells": ({ owner }) => ({ ids: { user: owner.id } }),
  "POST /api/cell/{cell}/tags": ({ tagId }) => ({ payload: { tag_ids: [tagId] } }),
  "DELETE /api/cell/{cell}/tags/{tag}": (world) => ({ given: tagged(world) }),
  "GET /api/tags/{tag}/cells": (world) => ({ given: tagged(world) }),
  "POST /api/tag": (world) => ({ payload: { name: named(world) } }),
  "PUT /api/tag/{tag}": json({ description: "new" }),
  "POST /api/logger": (world) => ({ payload: { name: named(world) } }),
  "PUT /api/logger/{logger}": json({ description: "new" }),
  "POST /api/quarantine/{upload}/replay": json({}),
  "POST /api/imports": ({ cellId }) => ({
    headers: { "content-type": "multipart/form-data; boundary=b" },
    payload: `--b\r\nContent-Disposition: form-data; name="cell"\r\n\r\n${cellId}\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--\r\n`,
  }),
  "POST /api/tasks": ({ cellId }) => ({
    payload: { kind: "export", params: { cells: [cellId], format: "csv" } },
  }),
  "GET /api/cell/datas": ({ cellId }) => ({
    query: `cellIds=${cellId}`,
    remoteAddress: `10.1.${cellId >> 8}.${cellId & 255}`,
  }),
  "POST /api/quarantine/replay": ({ ids }) => ({ payload: { ids: [ids.upload, ids.garbage] } }),
};

const api = useApi();
let passwordHash = "";
/** The cursor that everything comes after. */
let beginning = "";
beforeAll(async () => {
  beginning = formatCursor({ ...(await findLogEnd(api.db)), xid: 0 });
  passwordHash = await hashPassword(password);
});

type Row = readonly [route: string, ...statuses: string[]];

function rowsOf(table: string): Row[] {
  const lines = table.split("\n").filter((line) => line.includes("/"));
  return lines.map((line) => {
    const [method = "", path = "", ...statuses] = line.split(/ +/);
    return [`${method} ${path}`, ...statuses];
  });
}

const privateRows = rowsOf(whereThereIsAPrivateCell);
const publicRows = rowsOf(whereItIsPublic);

/** What each caller gets of a route, in a world of its own. */
async function tryAll([route, ...expected]: Row, visibility: Visibility): Promise<string[]> {
  return await Promise.all(
    callers.map(async (caller, at) => {
      const world = await newWorld(api, caller, visibility, passwordHash);
      const request = requests[route]?.(world) ?? {};
      await request.given;
      const before = await worldState(world);
      const { statusCode, body } = await tryRoute(route, request, world);
      const says = /[+-]$/.test(expected[at]!) ? shows(body, world) : "";
      const idle = statusCode >= 400 || (route.startsWith("GET") && !route.endsWith("/logout"));
      const changed =
        idle && (await worldState(world)) !== before ? ", and it changed something" : "";
      return `${caller}: ${statusCode}${says}${changed}`;
    }),
  );
}

async function tryRoute(route: string, request: Request, world: World) {
  const [method, template] = route.split(" ") as [HTTPMethods, string];
  const { query = "", ids, headers, payload, remoteAddress } = request;
  const numbers: Readonly<Record<string, string | number | undefined>> = { ...world.ids, ...ids };
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => String(numbers[name]));
  const answer = await api.inject({
    method,
    url: `${path}?${query}`,
    headers: { ...headers, ...world.headers },
    ...(payload !== undefined && { payload }),
    ...(remoteAddress !== undefined && { remoteAddress }),
    payloadAsStream: route === "GET /api/live",
  });
  const { statusCode } = answer;
  return { statusCode, body: route === "GET /api/live" ? await beginningOf(answer) : answer.body };
}

/** What an answer without an end says until it has told a reading; all of one that ends. */
async function beginningOf(answer: LightMyRequestResponse): Promise<string> {
  let text = "";
  for await (const chunk of answer.stream()) {
    text += String(chunk);
    if (text.includes("measurement_received")) break;
  }
  return text;
}

/** Whether an answer says anything of what is in the cell: its name, its readings, when they came, its sensors. */
function shows(answer: string, { cellName }: World): "+" | "-" {
  const instant = new Date(mark.ts * 1000).toISOString().slice(0, 19);
  const signs = [cellName, String(mark.value), instant, "POWER_VOLTAGE", "TEROS12_TEMP"];
  return signs.some((sign) => answer.includes(sign)) ? "+" : "-";
}

function expectationsOf([, ...statuses]: Row): string[] {
  return callers.map((caller, at) => `${caller}: ${statuses[at]}`);
}

function byRoute(rows: readonly Row[]): [route: string, row: Row][] {
  return rows.map((row) => [row[0], row]);
}

describe("the table", () => {
  it("has every route of the running application, and no other", async () => {
    const document = (await api.get("/api/openapi.json")).json<{
      paths: Record<string, Record<string, unknown>>;
    }>();
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(privateRows.map(([route]) => route).sort()).toEqual(routes.sort());
  });

  it("asks for a token or key where the document says so, uploads to open cells excepted", async () => {
    const document = (await api.get("/api/openapi.json")).json<{
      paths: Record<string, Record<string, { tags: string[]; security: object[] }>>;
    }>();
    const operations = privateRows.map(([route, nobody]) => {
      const [method = "", path = ""] = route.split(" ");
      return { route, nobody, ...document.paths[path]![method.toLowerCase()]! };
    });
    const usual = operations.filter(({ tags }) => !tags.includes("Uploads"));
    const needy = usual.filter(
      ({ security }) => security.length > 0 && security.every((one) => Object.keys(one).length > 0),
    );
    const refused = usual.filter(({ nobody }) => nobody!.startsWith("401"));
    expect(needy.map(({ route }) => route)).toEqual(refused.map(({ route }) => route));
  });

  it("has every caller in every row, and each row once", () => {
    for (const rows of [privateRows, publicRows]) {
      expect(rows.filter((row) => row.length !== callers.length + 1)).toEqual([]);
      expect(new Set(rows.map(([route]) => route)).size).toBe(rows.length);
    }
  });
});

describe("where there is a private cell", () => {
  it.each(byRoute(privateRows))("%s", async (_, row) => {
    expect(await tryAll(row, "private")).toEqual(expectationsOf(row));
  });
});

describe("where that cell is public", () => {
  it.each(byRoute(publicRows))("%s", async (_, row) => {
    expect(await tryAll(row, "public")).toEqual(expectationsOf(row));
  });
});

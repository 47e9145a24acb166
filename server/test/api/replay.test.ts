import type { LightMyRequestResponse } from "fastify";
import { beforeAll, describe, expect, it } from "vitest";
import { createCell } from "../../src/store/cells.ts";
import { createLogger } from "../../src/store/loggers.ts";
import { createUser } from "../../src/store/users.ts";
import { useApi, type TestApi } from "../support/api.ts";
import { lacks } from "../support/at-least.ts";
import { recordingSets, toInject, type Recording } from "../support/recordings.ts";
import { logIn } from "../support/users.ts";

/** What isn't there yet. */
const later: readonly { readonly what: string; readonly is: (request: Request) => boolean }[] = [
  { what: "exports", is: ({ path }) => /^\/api\/(cell\/datas|status)\b/.test(path) },
];
type Request = Recording["request"];

interface Difference {
  readonly status: number;
  readonly why: string;
  /** The recording whose answer is the right one here. */
  readonly as?: string;
  /** Fields of the right answer that differ from the recorded one. */
  readonly but?: object;
  /** Whether the right answer has the recorded lists the other way round. */
  readonly reversed?: boolean;
}

/** Where the right answer is another one than the recorded. */
const differences: Readonly<Record<string, Difference>> = {
  "health, no slash": { status: 200, why: "answers without its slash, not by a redirect" },
  "no trailing slash": { status: 200, why: "answers without its slash, not by a redirect" },
  "cell/id slash": { status: 200, why: "answers with its slash too", as: "cell/id" },
  "no token": { status: 200, why: "public cells are listed to anyone", as: "cells by key" },
  "cell get": { status: 200, why: "a public cell is shown to anyone" },

  logged_in: { status: 200, why: "the token was good" },
  "logged_in none": { status: 401, why: "nobody is logged in, which is no server error" },
  "oauth url": { status: 404, why: "this server has no identity provider" },
  "cell missing field": { status: 200, why: "a name is enough" },
  "cell null location": { status: 200, why: "a place need not be known" },
  "cell form": { status: 200, why: "forms are taken everywhere" },
  "cell unknown email": { status: 403, why: "a cell is made in nobody else's name" },
  "cell put missing": { status: 404, why: "there is no such cell" },
  "cell delete missing": { status: 404, why: "there is no such cell" },
  "cell users": { status: 200, why: "the owner comes first", reversed: true },
  "tag cells": { status: 200, why: "cells come by number", reversed: true },
  "cells by tag": { status: 200, why: "cells come by number", reversed: true },
  "logger delete": { status: 200, why: "it is its owner's" },

  "v2 outer meta and type": { status: 200, why: "a measurement takes the message's type" },
  "v2 no value": { status: 400, why: "the node's fault, not the server's" },
  "v2 NaN": { status: 200, why: "an unplugged probe is a reading without a value" },
  "v2 ts 0": { status: 200, why: "a clock that was never set loses no reading" },
  "v1 pcap02": { status: 200, why: "is stored" },
  "v1 unknown cell": { status: 400, why: "the node's fault, not a missing feature" },
  "v1 unknown logger": { status: 200, why: "a logger need not be registered" },
  "v1 no measurement": { status: 400, why: "the node's fault, not the server's" },
  "v1 empty": { status: 400, why: "the node's fault, not the server's" },
  "v1 garbage": { status: 400, why: "the node's fault, not the server's" },
  "wrong content type": { status: 415, why: "the sender's fault, not the server's" },
  "ttn 1 bad base64": { status: 400, why: "the sender's fault, not the server's" },
  "ttn 1 no payload": { status: 400, why: "the sender's fault, not the server's" },
  "ttn json charset": { status: 200, why: "a charset changes nothing", as: "ttn 202" },
  "json missing key": { status: 400, why: "the sender's fault, not the server's" },
  "json unknown cell": { status: 400, why: "the sender's fault, not a missing feature" },
  "json to /sensor/": { status: 200, why: "is stored like an upload to /sensor_json/" },
  "power by name form": { status: 200, why: "forms are taken everywhere" },
  "power new names": { status: 400, why: "a stranger's upload creates no cells" },

  "power fortnight": { status: 400, why: "there is no such resample" },
  "teros fortnight": { status: 400, why: "there is no such resample" },
  "sensor fortnight": { status: 400, why: "there is no such resample" },
  "power iso": { status: 200, why: "ISO 8601 is understood", as: "power None" },
  "power unix": { status: 200, why: "Unix seconds are understood", as: "power None" },
  "power start only": { status: 200, why: "the end is now", as: "power None" },
  "power nonsense time": { status: 400, why: "foo is no time" },
  "power no range": { status: 200, why: "the last month", as: "power unknown cell" },
  "power stream": { status: 200, why: "nothing arrived then", as: "power unknown cell" },
  "sensor no args": { status: 400, why: "name, cellId and measurement are needed" },
  "sensor no range": { status: 200, why: "the last month" },
  "sensor_json get": {
    status: 200,
    why: "65, a whole number, counts beside 43.2",
    but: { data: [54.1] },
  },
  "sensor bad cell": { status: 400, why: "x is no cell" },
};

/**
 * Uploads that were lost then and are stored now: sent after all others, as they would change the averages that
 * later recordings hold.
 */
const storedNow: Readonly<Record<string, string>> = {
  "no trailing slash": "was redirected, which nodes do not follow",
  "v2 outer meta and type": "was refused",
  "v2 NaN": "was a server error",
  "v2 ts 0": "was a server error, and is earlier than all others",
  "json to /sensor/": "was taken for a webhook without uplink",
  "power by name form": "was refused",
};

/** Cells that were not made then and are now: made when their numbers can't be taken for those of others. */
const madeNow = new Set(["cell missing field", "cell null location", "cell form"]);

/** Sent last of all, as the others need what they delete. */
const deletions = new Set(["tag delete", "logger delete", "apikey delete", "cell delete"]);

/** What was stored then of a message that was refused, where now all or nothing is: sent by itself. */
const keptThen: Readonly<Record<string, string>> = {
  "v2 one good one unknown cell": "1a170a0a0802100118f8a194ad06100a290000000000001c40",
};

describe.each(recordingSets)("the requests of $file", ({ recordings }) => {
  const api = useApi(undefined, ({ settings }) => ({
    settings: { ...settings, defaultUploadPolicy: "open" },
  }));
  const placeholders: Record<string, string> = {};
  beforeAll(async () => {
    // A day on which every recorded reading is old.
    api.now = Date.parse("2026-11-23T01:30:00Z") / 1000;
    const ada = await createUser(api.db, person("Ada"));
    await createUser(api.db, person("Grace"));
    if (!recordings.some(({ name }) => name === "cell create")) await createPlaces(api);
    const { authorization } = await logIn(api, ada.id);
    placeholders["ada"] = authorization;
    placeholders["Bearer <expired token of ada>"] = (
      await logIn({ ...api, db: api.db, now: api.now - 3600 }, ada.id)
    ).authorization;
  });
  const replayed = recordings.filter(({ request }) => !later.some(({ is }) => is(request)));

  it.each(byName(replayed.toSorted((a, b) => turnOf(a) - turnOf(b))))("%s", async (name, group) => {
    for (const recording of group) {
      const answer = await api.inject(fillIn(recording, placeholders));
      const right = rightAnswer(recording, recordings);
      expect(answer.statusCode, differences[name]?.why).toBe(right.status);
      expect(faults(answer, right)).toEqual([]);
      if (name === "apikey create")
        placeholders["<the key created above>"] = answer.json<{ api_key: string }>().api_key;
    }
    if (name in keptThen) await api.postHex(keptThen[name]!, { SensorVersion: "2" });
  });

  it.each(replayed.filter(isAdasCell).map((recording) => [recording.name, recording] as const))(
    "%s: without a token nobody makes a cell",
    async (_, recording) => {
      const answer = await api.inject(toInject(recording));
      expect(answer.statusCode).toBe(recording.name === "cell not json" ? 400 : 401);
    },
  );

  it("leaves only what could not be placed in quarantine", async () => {
    const refused = replayed.filter(
      ({ name, request, response }) =>
        request.method === "POST" &&
        /\/(sensor|power|teros)/.test(request.path) &&
        (differences[name]?.status ?? response.status) >= 400,
    );
    const kept = await api.db.selectFrom("quarantine").select("body").execute();
    const bodies = kept.map(({ body }) => body.toString("hex"));
    expect(bodies.sort()).toEqual(refused.map(hexOf).sort());
  });
});

/** When a recording is sent: in its order, or after those. */
function turnOf({ name }: Recording): number {
  if (deletions.has(name)) return 3;
  if (madeNow.has(name)) return 2;
  return name in storedNow ? 1 : 0;
}

/** The old server let anyone make cells in anyone's name; these were made in Ada's. */
function isAdasCell({ request: { method, path, auth } }: Recording): boolean {
  return method === "POST" && path === "/api/cell/" && auth === undefined;
}

/** A recorded request with what only this run knows: tokens and keys. */
function fillIn(recording: Recording, placeholders: Readonly<Record<string, string>>) {
  const { auth, authorization } = recording.request;
  const token = isAdasCell(recording) ? "ada" : (auth ?? authorization);
  const headers = Object.entries(recording.request.headers)
    .concat(token === undefined ? [] : [["authorization", token]])
    .map(([key, value]) => [key, placeholders[value] ?? value]);
  return { ...toInject(recording), headers: Object.fromEntries(headers) };
}

function person(firstName: string) {
  return { email: `${firstName.toLowerCase()}@example.org`, firstName, lastName: "Example" };
}

async function createPlaces({ db }: TestApi): Promise<void> {
  const santaCruz = { location: "Santa Cruz", uploadPolicy: "open" } as const;
  await createCell(db, { name: "cell one", latitude: 36.99, longitude: -122.06, ...santaCruz });
  await createCell(db, { name: "null island", latitude: 0, longitude: 0, ...santaCruz });
  await createLogger(db, { name: "logger one", type: "other", deviceEui: " 0080e1150546d093 " });
}

function byName(recordings: readonly Recording[]): [string, Recording[]][] {
  return Object.entries(Object.groupBy(recordings, ({ name }) => name)) as [string, Recording[]][];
}

function hexOf(recording: Recording): string {
  return Buffer.from((toInject(recording).payload as string | Buffer) ?? "").toString("hex");
}

/** Undefined bodies are not compared. */
interface Answer {
  readonly status: number;
  readonly json?: unknown;
  readonly text?: string;
  readonly hex?: string;
}

function rightAnswer(recording: Recording, recordings: readonly Recording[]): Answer {
  const { response } = recording;
  const difference = differences[recording.name];
  if (!difference) return response;
  const { status, as, but, reversed } = difference;
  if (reversed) return { status, json: reverseLists(response.json) };
  if (as !== undefined) return { ...recordings.find(({ name }) => name === as)!.response, status };
  return but ? { status, json: { ...(response.json as object), ...but } } : { status };
}

function reverseLists(value: unknown): unknown {
  if (Array.isArray(value)) return value.toReversed();
  const entries = Object.entries(value as object).map(([key, one]) => [
    key,
    Array.isArray(one) ? reverseLists(one) : one,
  ]);
  return Object.fromEntries(entries);
}

/** What an answer lacks of the right one; a status alone says enough of an empty text. */
function faults(answer: LightMyRequestResponse, { status, json, hex, text }: Answer): string[] {
  if (status === 204) return answer.body === "" ? [] : ["the answer has a body"];
  if (status >= 400) return faultsOfError(answer, json);
  if (json !== undefined) return lacks(answer.json(), json);
  if (hex !== undefined) return lacks(answer.rawPayload.toString("hex"), hex);
  return text ? lacks(answer.body, text) : [];
}

/** An error has a sentence, under the key that its path always had too; a node gets its error message. */
function faultsOfError(answer: LightMyRequestResponse, recorded: unknown): string[] {
  const type = String(answer.headers["content-type"]);
  if (type === "application/octet-stream")
    return answer.rawPayload.length > 0 ? [] : ["the answer has no error"];
  if ("loggedIn" in answer.json()) return lacks(answer.json(), { loggedIn: false });
  const sentence = answer.json().message;
  if (typeof sentence !== "string" || sentence === "") return ["the answer has no message"];
  if (answer.json().status !== answer.statusCode) return ["the answer has no status"];
  const { error } = (recorded ?? {}) as { error?: string };
  return error === undefined ? [] : lacks(answer.json(), { error, message: error });
}

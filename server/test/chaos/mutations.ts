import { Agent, request, type IncomingMessage } from "node:http";
import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { base64, decimal, encodeVersion1, encodeVersion2, webhook } from "../support/messages.ts";
import type { Chance } from "../support/random.ts";
import { Product } from "./product.ts";

const atOnce = 32;
/** How often the server's memory is looked at while some bodies are thrown. */
const looks = 50;

const protobuf = "application/octet-stream";
const json = "application/json";
const form = "application/x-www-form-urlencoded";
const doors = ["/api/sensor/", "/api/sensor_json/", "/api/power/", "/api/teros/"];
const contentTypes = [protobuf, json, `${json}; charset=utf-8`, form, "text/plain", ""];

/** A body, and where it is thrown. */
interface Shot {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/**
 * Throws mutated bodies at all doors, and expects that the server neither falls nor fails nor grows.
 *
 * @param growth_MB how much more memory it may have with the last fifth of the bodies than with the second, each time
 *   the least: between two collections it comes and goes. With the first it learns what it remembers
 */
export async function surviveMutations(
  chance: Chance,
  { count, growth_MB }: { readonly count: number; readonly growth_MB: number },
): Promise<void> {
  const product = await Product.create();
  try {
    await product.start();
    await hurryDatabase(product);
    const [cellId] = await product.createCells(1);
    const originals = makeOriginals(cellId!);
    const throwFifth = async () => await throwAll(product, originals, chance, count / 5);
    await throwFifth();
    const before_MB = await throwFifth();
    for (let nth = 3; nth < 5; nth += 1) await throwFifth();
    const after_MB = await throwFifth();
    expect(product.isAlive).toBe(true);
    // Infinite where the system doesn't tell.
    if (Number.isFinite(before_MB)) expect(after_MB - before_MB).toBeLessThan(growth_MB);
    await expectUsual(product, originals);
  } finally {
    await product.discard();
  }
}

/** That what is refused is kept through a power cut isn't what is tried here: the disk needn't be waited for. */
async function hurryDatabase(product: Product): Promise<void> {
  await product.query("alter database ents set synchronous_commit = off");
  await product.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ents-backend'",
  );
}

/** @returns the least memory that the server had meanwhile, in MB */
async function throwAll(
  product: Product,
  originals: readonly Shot[],
  chance: Chance,
  count: number,
): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  let thrown = 0;
  let least_MB = Infinity;
  const throwSome = async () => {
    while (thrown++ < count) {
      if (thrown % Math.ceil(count / looks) === 0)
        least_MB = Math.min(least_MB, (await residentSize(product)) ?? Infinity);
      const shot = mutate(originals, chance);
      const status = await send(product, shot, agent);
      if (status === undefined || status >= 500) throw new Error(describeShot(shot, status));
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, throwSome));
    return least_MB;
  } finally {
    agent.destroy();
  }
}

function describeShot({ url, headers, body }: Shot, status: number | undefined): string {
  return `${status} for ${url} ${JSON.stringify(headers)} ${body.subarray(0, 2000).toString("hex")}`;
}

/** The server takes what it took before. */
async function expectUsual(product: Product, originals: readonly Shot[]): Promise<void> {
  const agent = new Agent();
  for (const shot of originals) expect(await send(product, shot, agent)).toBe(200);
  agent.destroy();
}

/** An upload as it should be, in each format, for each door. */
function makeOriginals(cellId: number): Shot[] {
  const meta = { cellId, loggerId: 1, ts: 1_705_316_400 };
  const version1 = encodeVersion1(meta, { case: "bme280", value: { pressure: 10_132 } });
  const version2 = encodeVersion2(
    [1, 2, 10].map((type, idx) => ({ type, value: decimal(type / 4), idx })),
    { meta },
  );
  const plain = { type: "lux", cellId, loggerId: 1, ts: 1_705_316_400, data: { sun: 1 } };
  const ports = [version1, version2].map((bytes, at) =>
    webhook({ f_port: at + 1, frm_payload: base64(bytes) }),
  );
  const documents = [plain, ...ports].map((body) => toShot("/api/sensor/", json, body));
  return [
    { url: "/api/sensor/", headers: { "content-type": protobuf }, body: Buffer.from(version1) },
    {
      url: "/api/sensor/",
      headers: { "content-type": protobuf, sensorversion: "2" },
      body: Buffer.from(version2),
    },
    ...documents,
    toShot("/api/sensor_json/", json, plain),
  ];
}

function toShot(url: string, type: string, body: object): Shot {
  return { url, headers: { "content-type": type }, body: Buffer.from(JSON.stringify(body)) };
}

/** Bodies of the doors by name, which need a name that exists: refused as they are, and mutated like the others. */
const byName: readonly Shot[] = [
  toShot("/api/power/", json, { type: "power", cell: "a", logger: "b", ts: 1, v: 1, i: 1 }),
  toShot("/api/teros/", json, { type: "teros12", cell: "a", ts: 1, vwc: 1, temp: 1, ec: 1 }),
  ...["/api/power/", "/api/teros/"].map((url) => ({
    url,
    headers: { "content-type": form },
    body: Buffer.from("cell=a&logger=b&ts=1&v=1&i=1&vwc=1&raw_vwc=&temp=1&ec=1"),
  })),
];

function mutate(originals: readonly Shot[], chance: Chance): Shot {
  const all = [...originals, ...byName];
  const { url, headers, body } = chance.pick(all);
  const other = chance.pick(all).body;
  let mutated = body;
  for (let wounds = 1 + chance.below(4); wounds > 0; wounds--)
    mutated = chance.pick(wounding)(mutated, other, chance);
  const astray = chance.happens(0.2);
  return {
    url: astray ? chance.pick(doors) : url,
    headers: astray ? { ...headers, "content-type": chance.pick(contentTypes) } : headers,
    body: mutated,
  };
}

type Wound = (bytes: Buffer, other: Buffer, chance: Chance) => Buffer;

/** What may happen to a body: damage on its way, parts of another one, and what somebody thought out. */
const wounding: readonly Wound[] = [
  flipBits,
  flipBits,
  (bytes, _, chance) => bytes.subarray(0, chance.below(bytes.length + 1)),
  (bytes, other, chance) =>
    Buffer.concat([
      bytes.subarray(0, chance.below(bytes.length + 1)),
      other.subarray(chance.below(other.length + 1)),
    ]),
  (bytes, _, chance) => insert(bytes, chance.pick(bombs), chance),
  replaceNumber,
  (bytes, _, chance) => (chance.happens(0.05) ? repeat(bytes, chance) : bytes),
];

/** Lengths and numbers past all ends, and brackets within brackets. */
const bombs: readonly Buffer[] = [
  ...["ffffffff0f", "ffffffffffffffffff01", "0affffff7f", "1a80808010", "ffff7f"].map((hex) =>
    Buffer.from(hex, "hex"),
  ),
  ...["[".repeat(2000), '{"a":'.repeat(2000), "9".repeat(400), "\0", '"', "%", "&=", "\ud800"].map(
    (text) => Buffer.from(text),
  ),
];

function flipBits(bytes: Buffer, _: Buffer, chance: Chance): Buffer {
  const flipped = Buffer.from(bytes);
  for (let bits = 1 + chance.below(8); bits > 0 && bytes.length > 0; bits--) {
    const at = chance.below(bytes.length);
    flipped[at]! ^= 1 << chance.below(8);
  }
  return flipped;
}

function insert(bytes: Buffer, bomb: Buffer, chance: Chance): Buffer {
  const at = chance.below(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), bomb, bytes.subarray(at)]);
}

const numbers = ["-1", "1e999", "4294967296", "0.5", "null", '"1"', "[]", "1e-320", "01"];

/** One of the numbers in a text becomes another one. */
function replaceNumber(bytes: Buffer, _: Buffer, chance: Chance): Buffer {
  const text = bytes.toString("latin1");
  const found = [...text.matchAll(/\d+/g)];
  if (found.length === 0) return bytes;
  const { 0: digits, index } = chance.pick(found);
  const changed = text.slice(0, index) + chance.pick(numbers) + text.slice(index + digits.length);
  return Buffer.from(changed, "latin1");
}

/** As often as it goes through a door, or once more. */
function repeat(bytes: Buffer, chance: Chance): Buffer {
  const size = chance.below(300_000);
  return bytes.length === 0 ? bytes : Buffer.alloc(size, bytes);
}

/** @returns the status; undefined when no answer came */
async function send({ url }: Product, shot: Shot, agent: Agent): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { ...shot.headers, "Content-Length": shot.body.length };
  request(`${url}${shot.url}`, { method: "POST", agent, headers }, resolve)
    .on("error", reject)
    .end(shot.body);
  try {
    const response = await promise;
    for await (const _ of response);
    return response.statusCode;
  } catch {
    // Who sends more than a door takes may find it shut before all is sent.
    return shot.body.length > 256 * 1024 ? 413 : undefined;
  }
}

/** In MB, where the system tells. */
async function residentSize({ pid }: Product): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const [, kB] = /VmRSS:\s+(\d+) kB/.exec(status) ?? [];
  return kB === undefined ? undefined : Number(kB) / 1024;
}

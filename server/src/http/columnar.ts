import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { Spool } from "../lib/spool.ts";
import type { Chunk } from "../timeseries/columns.ts";

/** Stands in an answer's shape where a list goes: the timestamps first, then each column. */
export const gap = ["\u0000"];

/** The text of an answer between its lists, which is one piece more than there are of those. */
export function splitAtGaps(shape: object): string[] {
  return JSON.stringify(shape).split(JSON.stringify(gap[0]));
}

/**
 * Answers lists over one time axis: a short answer as a whole, with its length; a long one as it is read, at the
 * speed of who reads it and in little memory.
 *
 * @param shape what is answered, with a gap for each list
 * @param waits whether who reads waits until all of it is read, since reading it keeps something from others
 */
export async function sendTable(
  reply: FastifyReply,
  shape: object,
  chunks: AsyncGenerator<Chunk>,
  waits = false,
): Promise<FastifyReply> {
  const frames = splitAtGaps(shape);
  const { value: first } = (await chunks.next()) as IteratorYieldResult<Chunk>;
  if (first.last) {
    await chunks.return(undefined);
    return sendJson(reply, fill(frames, first));
  }
  const stream = toStream(writeTable(frames, startingWith(first, chunks), waits));
  // Also where nobody has begun to read it.
  stream.once("close", () => void chunks.return(undefined));
  return sendJson(reply, stream);
}

/** Answers JSON that is text already, whole or as it comes. */
export function sendJson(reply: FastifyReply, body: string | Readable): FastifyReply {
  return reply.type("application/json; charset=utf-8").send(body);
}

/** Texts as a stream that asks for the next one when there is room; as texts, since bytes lie outside the heap for long. */
export function toStream(texts: AsyncIterable<string>): Readable {
  return Readable.from(texts, { highWaterMark: 2 });
}

/** Texts that are short together. */
export async function joinTexts(texts: AsyncIterable<string>): Promise<string> {
  let all = "";
  for await (const text of texts) all += text;
  return all;
}

/**
 * The text of lists that are too long to be held. They are read side by side and written one after the other: the
 * timestamps go out as they come, all others wait in files until those before them are whole.
 *
 * @param waits whether the timestamps wait too, so that whoever reads slowly holds up nothing but themselves
 */
export async function* writeTable(
  frames: readonly string[],
  chunks: AsyncIterable<Chunk>,
  waits = false,
): AsyncGenerator<string> {
  const [head = "", ...others] = frames;
  const spools: Spool[] = [];
  try {
    while (spools.length < frames.length - (waits ? 1 : 2)) spools.push(await Spool.open());
    yield head;
    let comma = "";
    for await (const { timestamp, columns } of chunks) {
      if (timestamp === "") continue;
      const lists = [timestamp, ...columns].map((list) => comma + list);
      // Nothing, where they wait: it shows whether anybody still does.
      yield waits ? "" : lists.shift()!;
      for (const [at, spool] of spools.entries()) await spool.write(lists[at]!);
      comma = ",";
    }
    const framesBefore = waits ? ["", ...others] : others;
    for (const [at, spool] of spools.entries()) {
      yield framesBefore[at]!;
      yield* spool.read();
    }
    yield frames.at(-1)!;
  } finally {
    await Promise.all(spools.map(async (spool) => await spool.close()));
  }
}

/** The text of lists that are there. */
export function fill(frames: readonly string[], { timestamp, columns }: Chunk): string {
  const lists = [timestamp, ...columns, ""];
  return frames.map((frame, at) => frame + lists[at]!).join("");
}

async function* startingWith<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}

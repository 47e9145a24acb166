import { Agent, request, type IncomingMessage } from "node:http";

const agent = new Agent({ keepAlive: true });

export interface Answer {
  readonly status: number;
  readonly bytes: number;
  readonly firstByte_ms: number;
  readonly total_ms: number;
}

/** Reads an answer to its last byte, and keeps nothing of it. */
async function get(port: number, path: string): Promise<Answer> {
  const start = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request({ host: "127.0.0.1", port, path, agent }, resolve).on("error", reject).end();
  const response = await promise;
  let bytes = 0;
  let firstByte_ms = 0;
  for await (const chunk of response) {
    firstByte_ms ||= performance.now() - start;
    bytes += (chunk as Buffer).length;
  }
  return { status: response.statusCode!, bytes, firstByte_ms, total_ms: performance.now() - start };
}

/** The same, where anything but 200 is the end. */
export async function getOk(port: number, path: string): Promise<Answer> {
  const answer = await get(port, path);
  if (answer.status !== 200) throw new Error(`${answer.status} for ${path}`);
  return answer;
}

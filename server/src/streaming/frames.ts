import type { Message } from "./merge.ts";

/**
 * Messages as Socket.IO's packets in WebSocket frames, one behind the other: thousands of sockets are sent the same
 * bytes, each by one write. Source: RFC 6455, 5.2; Engine.IO protocol 4 (4: a message), Socket.IO protocol 5 (2: an event).
 */
export function toFrames(messages: readonly Message[]): Buffer {
  return Buffer.concat(
    messages.flatMap(({ name, data }) => {
      const payload = Buffer.from(`42${JSON.stringify([name, data])}`);
      return [frameHead(payload.length), payload];
    }),
  );
}

/** A text, whole and without a mask. */
function frameHead(length: number): Buffer {
  const text = 0x81;
  if (length < 126) return Buffer.from([text, length]);
  const isShort = length < 2 ** 16;
  const head = Buffer.alloc(isShort ? 4 : 10);
  head[0] = text;
  head[1] = isShort ? 126 : 127;
  if (isShort) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

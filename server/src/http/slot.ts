import type { FastifyReply } from "fastify";
import type { KnownError } from "../lib/errors.ts";
import type { Slots } from "../lib/slots.ts";

/**
 * Does something that only so many may do at a time, when there is a slot for it; not for who has gone by then.
 *
 * @param full makes what is thrown when there are too many already
 */
export async function inSlot<T>(
  slots: Slots,
  who: string,
  { raw }: FastifyReply,
  full: () => KnownError,
  act: () => Promise<T>,
): Promise<T> {
  if (slots.isFullFor(who)) throw Object.assign(full(), { retryAfter_s });
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  raw.once("close", leave);
  try {
    await slots.take(who, gone.signal).catch(() => {
      throw full();
    });
  } finally {
    raw.off("close", leave);
  }
  try {
    return await act();
  } finally {
    slots.free(who);
  }
}

const retryAfter_s = 10;

import { constants } from "node:zlib";
import compress from "@fastify/compress";
import type { FastifyInstance, RouteShorthandOptions } from "fastify";

/**
 * Lets routes say that their answers may be compressed; no other ones are. A node has no room for an answer that
 * is, nor for the header that says so.
 */
export async function offerCompression(app: FastifyInstance): Promise<void> {
  await app.register(compress, { global: false });
}

/** For a route whose answers are long: compressed as fast as readings come, since uploads wait for the same processor. */
export const compressed = {
  compress: {
    customTypes: /^(?:application\/json|text\/csv)\b/,
    encodings: ["br", "gzip"],
    zlibOptions: { level: 1 },
    // Better qualities hold back megabytes before they say anything.
    brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } },
    syncThreshold: 16 * 1024,
  },
} satisfies RouteShorthandOptions;

import type { FastifyRequest } from "fastify";

declare module "fastify" {
  interface FastifyRequest {
    /** The Content-Type as it came, where a door takes every body as bytes. */
    uploadType: string | undefined;
  }
}

/** What a request says its body is, without parameters: `application/json`. Source: RFC 9110, 8.3.1. */
export function mediaType(request: FastifyRequest): string {
  const header = request.uploadType ?? request.headers["content-type"] ?? "";
  return header.split(";", 1)[0]!.trim().toLowerCase();
}

import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Begun, Visit } from "../auth/accounts.ts";
import { signAccessToken, type TokenSettings } from "../auth/tokens.ts";
import type { Clock } from "../lib/clock.ts";
import { day_s } from "../lib/duration.ts";
import type { Cookie } from "../http/cookies.ts";

export const refreshCookie = "refresh-token";

/** The answer that logging in and refreshing have in common. */
export const AccessToken = {
  201: {
    description: "The access token itself; the refresh token comes as a cookie",
    content: {
      "text/plain": {
        schema: Type.String({ examples: ["eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwOi8v"] }),
      },
    },
  },
};

/** Answers an access token as text, and the refresh token as a cookie. */
export async function answerSession(
  reply: FastifyReply,
  { session, token }: Begun,
  cookie: Cookie,
  { tokens, now }: { readonly tokens: TokenSettings; readonly now: number },
): Promise<FastifyReply> {
  cookie.set(reply, token, day_s);
  const accessToken = await signAccessToken(tokens, session, now);
  return reply.code(201).type("text/plain; charset=utf-8").send(accessToken);
}

/** Who comes, seen from outside. */
export function visitOf(request: FastifyRequest, clock: Clock): Visit {
  return { now: clock(), address: request.ip };
}

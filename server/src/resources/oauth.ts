import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Type } from "typebox";
import { logInAs } from "../auth/accounts.ts";
import { defineError } from "../lib/errors.ts";
import { defineCookie, useCookies } from "../http/cookies.ts";
import type { ServerDeps } from "../http/deps.ts";
import { AccessToken, answerSession, refreshCookie, visitOf } from "./login.ts";

const codeMissing = defineError("invalid", "code_missing", "Authorization code must be provided");

const parameter = (example: string) =>
  Type.Optional(Type.String({ maxLength: 4096, examples: [example] }));
const TokenQuery = Type.Object({
  code: parameter("4/0AeanS0b"),
  state: parameter("q1Zr0vSxk2mJ8yTnB5cDfg"),
  iss: parameter("https://accounts.google.com"),
});

/** `/oauth/url` and `/auth/token`: the two halves of logging in through an identity provider. */
export const oauth: FastifyPluginAsyncTypebox<{
  deps: Pick<ServerDeps, "db" | "clock" | "tokens" | "settings" | "provider">;
}> = async (app, { deps: { db, clock, tokens, settings, provider } }) => {
  const { registrationOpen } = settings;
  await useCookies(app, settings);
  const attempt = defineCookie("login-attempt", settings);
  const cookie = defineCookie(refreshCookie, settings);
  const config = { errorKey: "msg", anyone: true, login: true } as const;

  app.get(
    "/oauth/url",
    {
      exposeHeadRoute: false,
      schema: {
        operationId: "beginLogin",
        summary: "Where a browser logs in at the identity provider",
        problems: ["forbidden", "not_found", "bad_gateway"],
        response: { 200: Type.Object({ url: Type.String() }) },
      },
      config,
    },
    async (_request, reply) => {
      const { url, sealed, lasts_s } = await provider.begin(clock());
      attempt.set(reply, sealed, lasts_s);
      return { url };
    },
  );

  app.get(
    "/auth/token",
    {
      exposeHeadRoute: false,
      schema: {
        operationId: "finishLogin",
        summary: "Trades the identity provider's code for an access token",
        problems: ["unauthenticated", "forbidden", "not_found", "conflict", "bad_gateway"],
        querystring: TokenQuery,
        response: AccessToken,
      },
      config,
    },
    async (request, reply) => {
      const { code, state, iss } = request.query;
      if (code === undefined) throw codeMissing();
      const visit = visitOf(request, clock);
      const identity = await provider.finish({ code, state, iss }, attempt.get(request), visit.now);
      const begun = await logInAs(db, identity, { ...visit, registrationOpen });
      attempt.clear(request, reply);
      return await answerSession(reply, begun, cookie, { tokens, now: visit.now });
    },
  );
};

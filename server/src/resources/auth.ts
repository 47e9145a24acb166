import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { Email, FirstName, LastName } from "@ents-backend/schemas/user";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { changePassword, logIn, register } from "../auth/accounts.ts";
import { registrationClosed } from "../auth/identities.ts";
import { requireUser } from "../auth/caller.ts";
import { FailureLog } from "../auth/failure-log.ts";
import { LoginThrottle } from "../auth/throttle.ts";
import { defineError, KnownError } from "../lib/errors.ts";
import { findSessionOf, refreshSession, revokeSession, type Session } from "../store/sessions.ts";
import { recordDeed } from "../store/audit.ts";
import { Done } from "../http/done.ts";
import { actorOf, findCaller } from "../http/caller.ts";
import { defineCookie, useCookies, type Cookie } from "../http/cookies.ts";
import type { ServerDeps } from "../http/deps.ts";
import { forUsers } from "../http/for-whom.ts";
import { AccessToken, answerSession, refreshCookie, visitOf } from "./login.ts";

type AuthResourceDeps = Pick<ServerDeps, "db" | "clock" | "tokens" | "settings">;

const refreshInvalid = defineError("forbidden", "refresh_token_invalid", "Invalid refresh token");
const refreshExpired = defineError(
  "unauthenticated",
  "refresh_token_expired",
  "Refresh token expired",
);

/** Bounds what is hashed; what is too long for a new password is said by what hashes it. */
const Password = Type.String({ maxLength: 1000 });

const Registration = Type.Object(
  {
    email: Email,
    password: Password,
    first_name: FirstName,
    last_name: Type.Optional(LastName),
  },
  {
    title: "Registration",
    examples: [
      {
        email: "ada@example.org",
        password: "soil and volts",
        first_name: "Ada",
        last_name: "Example",
      },
    ],
  },
);
const Login = Type.Object(
  { email: Email, password: Password },
  { title: "Login", examples: [{ email: "ada@example.org", password: "soil and volts" }] },
);
const PasswordChange = Type.Object(
  {
    current_password: Type.Optional(Password),
    new_password: Password,
  },
  {
    title: "PasswordChange",
    examples: [{ current_password: "soil and volts", new_password: "volts and soil" }],
  },
);

/** `/auth`: accounts with passwords, and sessions however they began. */
export const auth: FastifyPluginAsyncTypebox<{ deps: AuthResourceDeps }> = async (
  app,
  { deps },
) => {
  await useCookies(app, deps.settings);
  const cookie = defineCookie(refreshCookie, deps.settings);
  const login = {
    db: deps.db,
    throttle: new LoginThrottle(deps.db),
    failureLog: new FailureLog(deps.db),
  };

  app.post(
    "/auth/register",
    {
      schema: {
        operationId: "register",
        summary: "Makes an account, and logs in",
        problems: ["forbidden", "conflict"],
        body: Registration,
        response: AccessToken,
      },
      config: { anyone: true, login: true },
    },
    async (request, reply) => {
      if (!deps.settings.registrationOpen) throw registrationClosed();
      const { email, password, first_name: firstName, last_name: lastName = "" } = request.body;
      const visit = visitOf(request, deps.clock);
      const begun = await register(deps.db, { email, password, firstName, lastName }, visit);
      return await answerSession(reply, begun, cookie, { ...deps, now: visit.now });
    },
  );

  app.post(
    "/auth/login",
    {
      schema: {
        operationId: "logIn",
        summary: "Logs in by e-mail address and password",
        problems: ["unauthenticated", "forbidden"],
        body: Login,
        response: AccessToken,
      },
      config: { anyone: true, login: true },
    },
    async (request, reply) => {
      const visit = visitOf(request, deps.clock);
      const begun = await logIn(login, request.body, visit).catch((error: unknown) => {
        // Without the e-mail address: people type their password there by mistake.
        if (error instanceof KnownError)
          request.log.warn({ address: visit.address, code: error.code }, "a login failed");
        throw error;
      });
      return await answerSession(reply, begun, cookie, { ...deps, now: visit.now });
    },
  );

  app.post(
    "/auth/password",
    {
      schema: {
        operationId: "changePassword",
        summary: "Changes one's password, and ends all other sessions",
        security: forUsers,
        body: PasswordChange,
        response: { 200: Done },
      },
      config: { login: true },
    },
    async (request) => {
      const { userId, sessionId } = requireUser(request.caller);
      const { current_password: current = "", new_password: next } = request.body;
      const visit = visitOf(request, deps.clock);
      await changePassword(login, { id: sessionId, userId }, { current, next }, visit);
      return { message: "Password changed; all other sessions have ended" };
    },
  );

  registerSessionRoutes(app, deps, cookie);
};

/** What goes on, and ends, by the cookie. */
function registerSessionRoutes(app: FastifyInstance, deps: AuthResourceDeps, cookie: Cookie): void {
  // A request that only asks what another would answer must not use the token up.
  const options = { exposeHeadRoute: false, config: { anyone: true } };

  app.get(
    "/auth/refresh",
    {
      ...options,
      schema: {
        operationId: "refreshSession",
        summary: "A new access token, for the cookie refresh-token",
        problems: ["unauthenticated", "forbidden"],
        response: AccessToken,
      },
    },
    async (request, reply) => {
      const now = deps.clock();
      const refreshed = await refreshSession(deps.db, cookie.get(request) ?? "", now);
      if (refreshed.outcome === "refreshed")
        return await answerSession(reply, refreshed, cookie, { ...deps, now });
      cookie.clear(request, reply);
      if (refreshed.outcome === "revoked")
        request.log.warn({ address: request.ip }, "a used or revoked refresh token came again");
      throw refreshed.outcome === "expired" ? refreshExpired() : refreshInvalid();
    },
  );

  app.get(
    "/auth/logout",
    {
      ...options,
      schema: {
        operationId: "logOut",
        summary: "Ends the session",
        problems: ["forbidden"],
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      for (const session of await sessionsOf(deps, request, cookie))
        await endSession(deps, session, request);
      cookie.clear(request, reply);
      return reply.code(204).send(null);
    },
  );
}

/** The sessions that a request shows itself to be of: by its cookie, and by its access token. */
async function sessionsOf(
  deps: AuthResourceDeps,
  request: FastifyRequest,
  cookie: Cookie,
): Promise<Session[]> {
  const byCookie = await findSessionOf(deps.db, cookie.get(request) ?? "");
  const caller = await findCaller(deps, request);
  const byToken = caller.kind === "user" ? [{ id: caller.sessionId, userId: caller.userId }] : [];
  return byCookie ? [byCookie, ...byToken] : byToken;
}

async function endSession(
  { db, clock }: AuthResourceDeps,
  { id, userId }: Session,
  request: FastifyRequest,
): Promise<void> {
  const at = clock();
  await db.transaction().execute(async (transaction) => {
    if (!(await revokeSession(transaction, id, at))) return;
    const actor = { ...actorOf(request), name: "user", userId };
    const deed = { at, actor, action: "log_out", objectType: "user", objectId: userId } as const;
    await recordDeed(transaction, deed);
  });
}

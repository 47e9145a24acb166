import { createHmac, randomUUID } from "node:crypto";
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from "jose";
import { describe, expect, it } from "vitest";
import { createSession, revokeSession, type Session } from "../../src/store/sessions.ts";
import { testDeps, useApi } from "../support/api.ts";
import { newUser } from "../support/users.ts";

const api = useApi();
const { secret, issuer } = testDeps(undefined as never, () => 0).tokens;

async function newSession(): Promise<Session> {
  const { id } = await newUser(api);
  return (await createSession(api.db, id, api.now)).session;
}

/** The claims of a good token; a test makes one of them bad. */
function claimsOf({ userId, id }: Session): JWTPayload {
  const iat = api.now;
  return { uid: userId, sid: id, iss: issuer, aud: issuer, iat, exp: iat + 900 };
}

async function sign(claims: JWTPayload, header: object = {}, key: Uint8Array = secret) {
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256", typ: "JWT", ...header })
    .sign(key);
}

/** A token put together by hand, as libraries refuse to. */
function forge(header: object, claims: object, key?: string | Uint8Array): string {
  const [head, body] = [header, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  const signed = `${head}.${body}`;
  const signature = key ? createHmac("sha256", key).update(signed).digest("base64url") : "";
  return `${signed}.${signature}`;
}

async function present(token: string) {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await api.inject({ url: "/api/user", headers });
  const { msg } = answer.json<{ msg?: string }>();
  return [answer.statusCode, msg];
}

const good = [200, undefined];
const invalid = [403, "Invalid token"];
const expired = [401, "Token expired"];

describe("an access token", () => {
  it("is good for 15 minutes", async () => {
    const token = await sign(claimsOf(await newSession()));
    expect(await present(token)).toEqual(good);
    api.now += 899;
    expect(await present(token)).toEqual(good);
    api.now += 1;
    expect(await present(token)).toEqual(expired);
  });

  it("must be signed, with our secret and HS256", async () => {
    const claims = claimsOf(await newSession());
    const [head, body, signature] = (await sign(claims)).split(".");
    const { privateKey } = await generateKeyPair("RS256");
    const rs256 = await new SignJWT(claims)
      .setProtectedHeader({ alg: "RS256", typ: "JWT" })
      .sign(privateKey);
    const forged = [
      forge({ alg: "none", typ: "JWT" }, claims),
      forge({ alg: "NONE", typ: "JWT" }, claims),
      forge({ typ: "JWT" }, claims, secret),
      forge({ alg: "hs256", typ: "JWT" }, claims, secret),
      forge({ alg: "HS512", typ: "JWT" }, claims, secret),
      await sign(claims, { alg: "HS512" }),
      await sign(claims, { alg: "HS384" }),
      rs256,
      `${head}.${body}.`,
      `${head}.${body}`,
      `${head}.${Buffer.from(JSON.stringify({ ...claims, uid: randomUUID() })).toString("base64url")}.${signature}`,
      `${head}.${body}.${signature!.startsWith("A") ? "B" : "A"}${signature!.slice(1)}`,
      ...["", "secret", "null", issuer, "x".repeat(32)].map((key) =>
        forge({ alg: "HS256", typ: "JWT" }, claims, Buffer.from(key)),
      ),
    ];
    for (const token of forged) expect(await present(token), token).toEqual(invalid);
  });

  it("doesn't choose its own key", async () => {
    const claims = claimsOf(await newSession());
    const own = Buffer.alloc(32, "mine");
    const { publicKey } = await generateKeyPair("RS256", { extractable: true });
    const headers = [
      { kid: "../../../../dev/null" },
      { kid: "' or 1=1 --" },
      { jwk: { kty: "oct", k: own.toString("base64url") } },
      { jwk: await exportJWK(publicKey) },
      { jku: "https://evil.example/keys" },
      { x5u: "https://evil.example/cert" },
      { crit: ["exp"], kid: "x" },
    ];
    for (const header of headers) {
      const token = forge({ alg: "HS256", typ: "JWT", ...header }, claims, own);
      expect(await present(token), JSON.stringify(header)).toEqual(invalid);
    }
  });

  it("must be from us, for us, and for this", async () => {
    const claims = claimsOf(await newSession());
    const { uid, sid, iss, aud, exp, iat } = claims as Record<string, unknown>;
    const bad: JWTPayload[] = [
      { ...claims, iss: "https://evil.example" },
      { ...claims, aud: "https://evil.example" },
      { ...claims, aud: [] },
      { ...claims, uid: "someone" },
      { ...claims, uid: 1 },
      { ...claims, sid: "1" },
      { ...claims, exp: "never" as never },
      { sid, iss, aud, exp, iat } as JWTPayload,
      { uid, iss, aud, exp, iat } as JWTPayload,
      { uid, sid, aud, exp, iat } as JWTPayload,
      { uid, sid, iss, exp, iat } as JWTPayload,
      { uid, sid, iss, aud, iat } as JWTPayload,
      { uid, sid, iss, aud, exp } as JWTPayload,
    ];
    for (const each of bad) {
      const token = forge({ alg: "HS256", typ: "JWT" }, each, secret);
      expect(await present(token), JSON.stringify(each)).toEqual(invalid);
    }
    expect(await present(await sign(claims, { typ: "at+jwt" }))).toEqual(invalid);
  });

  it("holds for its time: not before, not after, and never for longer than 15 minutes", async () => {
    const claims = claimsOf(await newSession());
    const { now } = api;
    expect(await present(await sign({ ...claims, iat: now + 60 }))).toEqual(invalid);
    expect(await present(await sign({ ...claims, nbf: now + 60 }))).toEqual(invalid);
    expect(await present(await sign({ ...claims, exp: now }))).toEqual(expired);
    const old = { ...claims, iat: now - 1000, exp: now + 1e9 };
    expect(await present(await sign(old))).toEqual(expired);
  });

  it("ends with its session, and with its user", async () => {
    const over = await newSession();
    const token = await sign(claimsOf(over));
    await revokeSession(api.db, over.id, api.now);
    expect((await present(token))[0]).toBe(401);

    const gone = await newSession();
    const orphan = await sign(claimsOf(gone));
    await api.db.deleteFrom("account").where("id", "=", gone.userId).execute();
    expect((await present(orphan))[0]).toBe(401);
  });

  it("is of the session that it names: not another user's, nor none", async () => {
    const [one, other] = [await newSession(), await newSession()];
    const mixed = await sign(claimsOf({ userId: one.userId, id: other.id }));
    expect((await present(mixed))[0]).toBe(401);
    const none = await sign(claimsOf({ userId: one.userId, id: randomUUID() }));
    expect((await present(none))[0]).toBe(401);
  });

  it.each([
    ["xx", 403, "Authentication failed"],
    ["Bearer", 403, "Authentication failed"],
    ["Bearer a b", 403, "Authentication failed"],
    ["Basic YTpi", 403, "Authentication failed"],
    ["Bearer xx", 403, "Invalid token"],
    ["Bearer a.b.c", 403, "Invalid token"],
    ["Bearer undefined", 403, "Invalid token"],
  ])("is not %j", async (authorization, status, msg) => {
    const answer = await api.inject({ url: "/api/user", headers: { authorization } });
    expect(answer.json()).toMatchObject({ status, msg, message: msg });
  });
});

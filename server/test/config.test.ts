import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../src/config.ts";

const google = { GOOGLE_CLIENT_ID: "g", GOOGLE_CLIENT_SECRET: "gs" };
const oidc = { OIDC_ISSUER: "https://id.org", OIDC_CLIENT_ID: "o", OIDC_CLIENT_SECRET: "os" };

describe("a secret", () => {
  it("may stand in a file", async () => {
    const directory = await mkdtemp(join(tmpdir(), "ents-config-"));
    const file = join(directory, "token");
    await writeFile(file, "sixteen letters or more\n");
    const { metricsToken } = loadConfig({ METRICS_TOKEN_FILE: file });
    expect(metricsToken).toBe("sixteen letters or more");
    await rm(directory, { recursive: true });
  });

  it("that is too short is refused, and not told", () => {
    expect(() => loadConfig({ METRICS_TOKEN: "too short" })).toThrow(/^METRICS_TOKEN (?!.*short)/);
  });
});

it.each([
  [
    "PUBLIC_URL",
    "https://e.org/",
    /^PUBLIC_URL .* https:\/\/ents.example.org, not https:\/\/e.org\/$/,
  ],
  ["RESULT_TTL", "1w", /^RESULT_TTL must be like 7d, not 1w$/],
  ["TTN_CLUSTER_URL", "nam1", /^TTN_CLUSTER_URL must be like https:[^,]*, not nam1$/],
  ["DATABASE_URL", "secret@host", /^DATABASE_URL must be like postgres:(?!.*secret)/],
])("%s says how it is written where it is %s", (name, value, said) => {
  expect(() => loadConfig({ [name]: value })).toThrow(said);
});

describe("CORS_ORIGINS", () => {
  it("is a list of origins, as browsers name them", () => {
    const list = "https://Dashboard.example.org:443, http://localhost:3000";
    const { corsOrigins } = loadConfig({ CORS_ORIGINS: list });
    expect(corsOrigins).toEqual(["https://dashboard.example.org", "http://localhost:3000"]);
    expect(loadConfig({}).corsOrigins).toEqual([]);
  });

  it.each([
    "*",
    "https://*",
    "dashboard.example.org",
    "https://a.example/path",
    "https://a:b:c",
    ",",
  ])("is not %s", (list) => {
    expect(() => loadConfig({ CORS_ORIGINS: list })).toThrow(/CORS_ORIGINS/);
  });
});

describe("TRUST_PROXY", () => {
  it("is a list of addresses and networks", () => {
    const trusted = ["10.0.0.0/8, ::1", "192.0.2.1", "fd00::/8", "loopback"];
    for (const TRUST_PROXY of trusted)
      expect(loadConfig({ TRUST_PROXY }).trustProxy).toBe(TRUST_PROXY);
    expect(loadConfig({}).trustProxy).toBe(false);
  });

  it.each(["10.0.0.0/33", "10.0.0.0/", "1.2.3", "::1/200", "10.0.0.0/255.0.0.0", "banana"])(
    "is not %s",
    (TRUST_PROXY) => {
      expect(() => loadConfig({ TRUST_PROXY })).toThrow(/TRUST_PROXY/);
    },
  );
});

describe("the identity provider", () => {
  it("is none by default, Google where only its variables are set, and otherwise the named issuer", () => {
    expect(loadConfig({}).provider).toBeUndefined();
    expect(loadConfig(google).provider).toEqual({
      issuer: "https://accounts.google.com",
      clientId: "g",
      clientSecret: "gs",
      redirectUri: "http://localhost:8000/auth/callback",
    });
    const redirectUri = "https://ents.org/auth/callback";
    const both = { ...google, ...oidc, PUBLIC_URL: "https://ents.org" };
    const [issuer, clientId, clientSecret] = ["https://id.org", "o", "os"];
    expect(loadConfig(both).provider).toEqual({ issuer, clientId, clientSecret, redirectUri });
    const old = { ...google, OAUTH_REDIRECT_URI: "https://old.org/callback" };
    expect(loadConfig(old).provider).toMatchObject({ redirectUri: "https://old.org/callback" });
  });

  it("is never half of one", () => {
    const { OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET } = oidc;
    const halves = [{ OIDC_ISSUER, OIDC_CLIENT_ID }, { GOOGLE_CLIENT_ID: "g" }];
    for (const half of [...halves, { OIDC_CLIENT_ID, OIDC_CLIENT_SECRET }])
      expect(() => loadConfig(half)).toThrow(/OIDC_ISSUER|client secret/);
  });
});

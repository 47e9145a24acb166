import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair } from "jose";
import { Provider, type ClientAuthMethod, type Configuration } from "oidc-provider";
import type { ProviderSettings } from "../../src/auth/issuer.ts";

/** What the issuer knows of somebody, by its own names. */
export interface Claims {
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly given_name?: string;
  readonly family_name?: string;
}

/** A real OpenID Connect issuer on this machine, with whoever a test wants to be. */
export interface TestIssuer {
  readonly settings: ProviderSettings;
  /** Logs in at the issuer as a browser would, and answers what it comes back with. */
  logIn(url: string, subject: string, claims: Claims): Promise<URLSearchParams>;
  close(): Promise<void>;
}

const redirectUri = "http://localhost:8000/auth/callback";

/**
 * @param authMethod how its client has to tell its secret
 * @param claimsInToken whether ID tokens hold what is otherwise told when it is asked for
 */
export async function startIssuer({
  authMethod = "client_secret_basic",
  claimsInToken = false,
}: { authMethod?: ClientAuthMethod; claimsInToken?: boolean } = {}): Promise<TestIssuer> {
  const people = new Map<string, Claims>();
  let handle: (request: IncomingMessage, response: ServerResponse) => void;
  const server = createServer((request, response) => handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings = {
    issuer,
    clientId: "ents",
    clientSecret: "a:secret/of+the client",
    redirectUri,
  };
  const provider = new Provider(
    issuer,
    await configure(settings, people, authMethod, claimsInToken),
  );
  const answer = provider.callback();
  handle = (request, response) => {
    const [, subject] = /^sub=(.*)$/.exec(cookieOf(request)) ?? [];
    const login = { accountId: decodeURIComponent(subject ?? "nobody") };
    if (request.url?.startsWith("/interaction/"))
      void provider.interactionFinished(request, response, { login });
    else void answer(request, response);
  };
  return {
    settings,
    logIn: async (url, subject, claims) => {
      people.set(subject, claims);
      return await follow(url, subject);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function configure(
  { clientId, clientSecret }: ProviderSettings,
  people: ReadonlyMap<string, Claims>,
  token_endpoint_auth_method: ClientAuthMethod,
  claimsInToken: boolean,
): Promise<Configuration> {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  return {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
        token_endpoint_auth_method,
      },
    ],
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["given_name", "family_name"],
    },
    conformIdTokenClaims: !claimsInToken,
    jwks: { keys: [{ ...(await exportJWK(privateKey)), use: "sig", alg: "RS256" }] },
    cookies: { keys: ["of the test"] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    // Everybody consents.
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({
        clientId: oidc.client!.clientId,
        accountId: oidc.session!.accountId!,
      });
      grant.addOIDCScope("openid email profile");
      await grant.save();
      return grant;
    },
    findAccount: (_context, accountId) => ({
      accountId,
      claims: async () => ({ sub: accountId, ...people.get(accountId) }),
    }),
    renderError: (context, out) => {
      context.body = JSON.stringify(out);
    },
    ttl: {
      AccessToken: 60,
      AuthorizationCode: 60,
      IdToken: 60,
      Interaction: 60,
      Session: 60,
      Grant: 60,
    },
  };
}

/** Follows redirects, with cookies, until one leads back to the client. */
async function follow(start: string, subject: string): Promise<URLSearchParams> {
  const cookies = new Map([["sub", encodeURIComponent(subject)]]);
  let url = new URL(start);
  while (!url.href.startsWith(redirectUri)) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(url, { redirect: "manual", headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      cookies.set(name!, value!);
    }
    const location = answer.headers.get("location");
    if (location === null) throw new Error(`${answer.status}: ${await answer.text()}`);
    url = new URL(location, url);
  }
  return url.searchParams;
}

function cookieOf({ headers: { cookie = "" } }: IncomingMessage): string {
  return cookie.split("; ").find((one) => one.startsWith("sub=")) ?? "";
}

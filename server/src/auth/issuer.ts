import * as client from "openid-client";

const timeout_s = 10;

/** An OpenID Connect issuer that users may log in with. */
export interface ProviderSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Where the issuer sends the browser back to. */
  readonly redirectUri: string;
}

/** An issuer that has described itself. */
export interface Issuer {
  readonly redirectUri: string;
  /** One for each way to tell the client's secret that the issuer may want, the likeliest first. */
  readonly configurations: readonly [client.Configuration, ...client.Configuration[]];
}

/** Issuers whose description is known without asking. Source: their discovery documents. */
const known: Readonly<Record<string, client.ServerMetadata>> = {
  "https://accounts.google.com": {
    issuer: "https://accounts.google.com",
    authorization_endpoint: "https://accounts.google.com/o/oauth2/v2/auth",
    token_endpoint: "https://oauth2.googleapis.com/token",
    userinfo_endpoint: "https://openidconnect.googleapis.com/v1/userinfo",
    jwks_uri: "https://www.googleapis.com/oauth2/v3/certs",
    id_token_signing_alg_values_supported: ["RS256"],
    token_endpoint_auth_methods_supported: ["client_secret_post", "client_secret_basic"],
  },
};

/** Finds out where an issuer's endpoints are. @throws when it can't be reached or describes somebody else */
export async function openIssuer(settings: ProviderSettings): Promise<Issuer> {
  const { issuer, clientId, clientSecret, redirectUri } = settings;
  // ID tokens come over TLS; their signatures are checked all the same.
  const extensions = [client.enableNonRepudiationChecks];
  // An issuer on this machine, for development, needs no TLS.
  if (isLocal(new URL(issuer))) extensions.push(client.allowInsecureRequests);
  const metadata = known[issuer] ?? (await discover(settings, extensions));
  const [first, ...others] = authenticationsOf(metadata).map((authentication) => {
    const secret = authentication(clientSecret);
    const configuration = new client.Configuration(metadata, clientId, clientSecret, secret);
    configuration.timeout = timeout_s;
    for (const extend of extensions) extend(configuration);
    return configuration;
  });
  return { redirectUri, configurations: [first!, ...others] };
}

async function discover(
  { issuer, clientId }: ProviderSettings,
  execute: ((configuration: client.Configuration) => void)[],
): Promise<client.ServerMetadata> {
  const options = { execute, timeout: timeout_s };
  const discovered = await client.discovery(
    new URL(issuer),
    clientId,
    undefined,
    client.None(),
    options,
  );
  return discovered.serverMetadata();
}

/**
 * How a client may tell its secret: a client is registered for one way, and the issuer doesn't say which.
 *
 * Source: OpenID Connect Core, 9; `client_secret_basic` is the default.
 */
function authenticationsOf({
  token_endpoint_auth_methods_supported: supported = ["client_secret_basic"],
}: Readonly<client.ServerMetadata>): ((secret: string) => client.ClientAuth)[] {
  const post = supported.includes("client_secret_post") ? [client.ClientSecretPost] : [];
  const basic = supported.includes("client_secret_basic") ? [client.ClientSecretBasic] : [];
  return post.length + basic.length > 0 ? [...basic, ...post] : [client.ClientSecretBasic];
}

function isLocal({ protocol, hostname }: URL): boolean {
  return protocol === "http:" && ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
}

import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";
import { durationPattern, parseDuration } from "./lib/duration.ts";
import { readAddresses } from "./lib/addresses.ts";
import { defineError } from "./lib/errors.ts";
import { describeSchemaError } from "./lib/schema-error.ts";

const invalidConfig = defineError("invalid", "invalid_config", "{problems}");

/** A text that may be left out; an example says how it is written where one isn't. */
const like = (example: string, pattern: string) =>
  Type.Optional(Type.String({ pattern, examples: [example] }));

/** Every environment variable that is read, and its default. `.env.example` lists them with what they do. */
const Environment = Type.Object({
  PORT: Type.Integer({ minimum: 0, maximum: 65_535, default: 8000 }),
  HOST: Type.String({ default: "127.0.0.1" }),
  WEB_CONCURRENCY: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
  DATA_DIR: Type.Optional(Type.String()),
  DATABASE_URL: like("postgres://user:password@host:5432/ents", "^postgres(ql)?://"),
  REDIS_URL: like("redis://host:6379", "^rediss?://"),
  JOURNAL_MAX_MB: Type.Integer({ minimum: 1, default: 1024 }),
  LOG_LEVEL: Type.Enum(["debug", "info", "warn", "error", "silent"], { default: "info" }),
  DEMO: Type.Boolean({ default: true }),
  PUBLIC_URL: like("https://ents.example.org", "^https?://[^/]+$"),
  TRUST_PROXY: like("10.0.0.0/8", "^([0-9a-fA-F.:/, ]+|loopback)$"),
  CORS_ORIGINS: like(
    "https://dashboard.example.org",
    "^https?://[^/*,\\s]+(\\s*,\\s*https?://[^/*,\\s]+)*$",
  ),
  RATE_LIMIT: Type.Enum(["on", "off"], { default: "on" }),
  RATE_LIMIT_PER_MINUTE: Type.Integer({ minimum: 1, maximum: 1_000_000, default: 600 }),
  REGISTRATION: Type.Enum(["open", "closed"], { default: "open" }),
  DEFAULT_UPLOAD_POLICY: Type.Enum(["key", "open"], { default: "key" }),
  UNPLACED_STATUS: Type.Enum(["4xx", "200"], { default: "4xx" }),
  QUARANTINE_MAX_MB: Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: 1024 }),
  WORKER: Type.Boolean({ default: true }),
  RESULT_TTL: Type.String({ pattern: durationPattern, default: "7d" }),
  TASKS_PER_USER: Type.Integer({ minimum: 1, maximum: 1000, default: 5 }),
  RESULTS_MAX_MB: Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: 5000 }),
  IMPORT_MAX_MB: Type.Integer({ minimum: 1, maximum: 1_000_000, default: 2048 }),
  JWT_SECRET: Type.Optional(Type.String({ minLength: 32 })),
  METRICS_TOKEN: Type.Optional(Type.String({ minLength: 16 })),
  LIVE_PER_ADDRESS: Type.Integer({ minimum: 1, default: 100 }),
  OIDC_ISSUER: like("https://login.example.org", "^https?://"),
  OIDC_CLIENT_ID: Type.Optional(Type.String()),
  OIDC_CLIENT_SECRET: Type.Optional(Type.String()),
  GOOGLE_CLIENT_ID: Type.Optional(Type.String()),
  GOOGLE_CLIENT_SECRET: Type.Optional(Type.String()),
  OAUTH_REDIRECT_URI: like("https://ents.example.org/auth/callback", "^https?://"),
  TTN_API_KEY: Type.Optional(Type.String()),
  TTN_APP_ID: Type.Optional(Type.String()),
  TTN_IDENTITY_URL: Type.String({
    pattern: "^https?://",
    default: "https://eu1.cloud.thethings.network",
  }),
  TTN_CLUSTER_URL: Type.String({
    pattern: "^https?://",
    default: "https://nam1.cloud.thethings.network",
  }),
  TTN_FREQUENCY_PLAN: Type.String({ default: "US_902_928_FSB_2" }),
});

/** More would share the database's connections among too many. */
const mostByDefault = 8;

/** Secrets: of each, NAME_FILE may name a file that holds it, and what is wrong with it is told without it. */
const secrets = new Set([
  "DATABASE_URL",
  "REDIS_URL",
  "JWT_SECRET",
  "METRICS_TOKEN",
  "OIDC_CLIENT_SECRET",
  "GOOGLE_CLIENT_SECRET",
  "TTN_API_KEY",
]);

/** A path in the checkout, so that a command finds the same data from whichever folder it is run in. */
const inCheckout = (path: string): string =>
  fileURLToPath(new URL(`../../${path}`, import.meta.url));

export interface Config {
  readonly port: number;
  readonly host: string;
  /** How many processes answer. */
  readonly processes: number;
  /** Absolute. */
  readonly dataDir: string;
  /** Undefined: the embedded server in `dataDir`. */
  readonly databaseUrl: string | undefined;
  /** A directory on the database's disk. Undefined: it may be on another machine. */
  readonly diskOf: string | undefined;
  /** Undefined: tasks are rung by way of the database, and this server counts requests for itself. */
  readonly redisUrl: string | undefined;
  /** How large the journal may grow that keeps uploads while the database is away. */
  readonly journalMax_bytes: number;
  readonly logLevel: Static<typeof Environment>["LOG_LEVEL"];
  readonly demo: boolean;
  /** As the world sees us, without a slash at its end. */
  readonly publicUrl: string;
  /** Addresses of the proxies whose `X-Forwarded-For` is believed. */
  readonly trustProxy: string | false;
  /** Where pages come from that may act for their users, beside the public URL: `https://host`. */
  readonly corsOrigins: readonly string[];
  /** What one address may ask in a minute that shows no token or key; the other limits follow. Undefined: no limits. */
  readonly requestsPerMinute: number | undefined;
  readonly registrationOpen: boolean;
  readonly defaultUploadPolicy: "key" | "open";
  /** What an upload that goes to quarantine is answered with: its error's status, or 200 all the same. */
  readonly unplacedStatus: "4xx" | "200";
  /** What the quarantine may take of the disk. */
  readonly quarantineMax_bytes: number;
  /** Whether the server begins a worker of its own. */
  readonly worker: boolean;
  /** How long results of tasks are kept. */
  readonly resultTtl_s: number;
  /** How many tasks of one user may wait or run at the same time. */
  readonly tasksPerUser: number;
  /** What the results of one user may take of the disk. */
  readonly resultsMax_bytes: number;
  /** What the files of one import may come to. */
  readonly importMax_bytes: number;
  /** Signs access tokens. Undefined: one that is kept in `dataDir`. */
  readonly jwtSecret: string | undefined;
  /** Who shows it may read the metrics. Undefined: who is on this machine may. */
  readonly metricsToken: string | undefined;
  /** Live connections that one address has at most. */
  readonly livePerAddress: number;
  /** Undefined: users log in with passwords only. */
  readonly provider: ProviderConfig | undefined;
  /** Undefined: loggers are not registered on The Things Stack. */
  readonly ttn: TtnConfig | undefined;
}

interface ProviderConfig {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
}

interface TtnConfig {
  readonly apiKey: string;
  readonly application: string;
  readonly identityUrl: string;
  readonly clusterUrl: string;
  readonly frequencyPlan: string;
}

/**
 * Reads the environment, once, at the start. An empty variable counts as unset.
 *
 * @throws KnownError that names every variable with a bad value, and says what it may be
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const given = readEnvironment(env);
  const values = Value.Default(Environment, Value.Convert(Environment, given));
  if (!Value.Check(Environment, values)) throw invalidConfig({ problems: describe(values, given) });
  const publicUrl = values.PUBLIC_URL ?? `http://localhost:${values.PORT}`;
  const dataDir = resolve(inCheckout("."), values.DATA_DIR ?? "data");
  return Object.freeze({
    port: values.PORT,
    host: values.HOST,
    processes: values.WEB_CONCURRENCY ?? Math.min(availableParallelism(), mostByDefault),
    dataDir,
    databaseUrl: values.DATABASE_URL,
    diskOf: values.DATABASE_URL === undefined ? dataDir : undefined,
    redisUrl: values.REDIS_URL,
    journalMax_bytes: values.JOURNAL_MAX_MB * 1_000_000,
    logLevel: values.LOG_LEVEL,
    demo: values.DEMO,
    publicUrl,
    trustProxy: toProxies(values.TRUST_PROXY),
    corsOrigins: toOrigins(values.CORS_ORIGINS),
    requestsPerMinute: values.RATE_LIMIT === "on" ? values.RATE_LIMIT_PER_MINUTE : undefined,
    registrationOpen: values.REGISTRATION === "open",
    defaultUploadPolicy: values.DEFAULT_UPLOAD_POLICY,
    unplacedStatus: values.UNPLACED_STATUS,
    quarantineMax_bytes: values.QUARANTINE_MAX_MB * 1_000_000,
    worker: values.WORKER,
    resultTtl_s: parseDuration(values.RESULT_TTL),
    tasksPerUser: values.TASKS_PER_USER,
    resultsMax_bytes: values.RESULTS_MAX_MB * 1_000_000,
    importMax_bytes: values.IMPORT_MAX_MB * 1_000_000,
    jwtSecret: values.JWT_SECRET,
    metricsToken: values.METRICS_TOKEN,
    livePerAddress: values.LIVE_PER_ADDRESS,
    provider: toProvider(values, values.OAUTH_REDIRECT_URI ?? `${publicUrl}/auth/callback`),
    ttn: toTtn(values),
  });
}

type Environment = Static<typeof Environment>;
type Given = Readonly<Record<string, string | undefined>>;

function readEnvironment(env: NodeJS.ProcessEnv): Given {
  const names = Object.keys(Environment.properties);
  return Object.fromEntries(
    names.flatMap((name) => {
      const value =
        env[name] || (secrets.has(name) ? readSecretFile(name, env[`${name}_FILE`]) : undefined);
      return value ? [[name, value]] : [];
    }),
  );
}

function readSecretFile(name: string, file: string | undefined): string | undefined {
  if (!file) return undefined;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw invalidConfig({ problems: `${name}_FILE: ${(error as Error).message}` });
  }
}

/** As browsers name them: in small letters, and without the port that goes without saying. */
function toOrigins(list: string | undefined): string[] {
  return (list?.split(",") ?? []).map((origin) => {
    const url = URL.parse(origin.trim());
    if (!url) throw invalidConfig({ problems: `CORS_ORIGINS holds ${origin}, which is no origin` });
    return url.origin;
  });
}

function toProxies(list: string | undefined): string | false {
  try {
    readAddresses(list ?? false);
    return list ?? false;
  } catch {
    throw invalidConfig({
      problems: `TRUST_PROXY holds addresses and networks as 10.0.0.0/8, or is loopback, not ${list}`,
    });
  }
}

/** Google where only its variables are set. */
function toProvider(values: Environment, redirectUri: string): ProviderConfig | undefined {
  const google = values.OIDC_ISSUER === undefined;
  const issuer = values.OIDC_ISSUER ?? "https://accounts.google.com";
  const clientId = google ? values.GOOGLE_CLIENT_ID : values.OIDC_CLIENT_ID;
  const clientSecret = google ? values.GOOGLE_CLIENT_SECRET : values.OIDC_CLIENT_SECRET;
  if (google && values.OIDC_CLIENT_ID !== undefined)
    throw invalidConfig({ problems: "OIDC_CLIENT_ID needs OIDC_ISSUER beside it" });
  if (clientId === undefined && clientSecret === undefined && google) return undefined;
  if (clientId === undefined || clientSecret === undefined)
    throw invalidConfig({
      problems: "the identity provider needs both a client id and a client secret",
    });
  return { issuer, clientId, clientSecret, redirectUri };
}

function toTtn(values: Environment): TtnConfig | undefined {
  const { TTN_API_KEY: apiKey, TTN_APP_ID: application } = values;
  if (apiKey === undefined && application === undefined) return undefined;
  if (apiKey === undefined || application === undefined)
    throw invalidConfig({ problems: "The Things Stack needs both TTN_API_KEY and TTN_APP_ID" });
  return {
    apiKey,
    application,
    identityUrl: values.TTN_IDENTITY_URL,
    clusterUrl: values.TTN_CLUSTER_URL,
    frequencyPlan: values.TTN_FREQUENCY_PLAN,
  };
}

/** The environment without what `.env` says: that is read anew by each process that this one begins. */
export const givenEnvironment: Readonly<NodeJS.ProcessEnv> = Object.freeze({ ...process.env });

/** Adds what the checkout's `.env` says to the environment; a variable that is set already stays. */
export function loadEnvFile(): void {
  Object.assign(process.env, currentEnvironment());
}

/** The environment with what the checkout's `.env` says at this moment. */
export function currentEnvironment(): NodeJS.ProcessEnv {
  const file = inCheckout(".env");
  const inFile = existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {};
  return { ...inFile, ...givenEnvironment };
}

function describe(values: unknown, given: Given): string {
  return Value.Errors(Environment, values)
    .map((error) => {
      const name = error.instancePath.slice(1);
      const problem =
        error.keyword === "pattern"
          ? `${name} must be like ${exampleOf(name)}`
          : describeSchemaError(error, name);
      return secrets.has(name) ? problem : `${problem}, not ${given[name]}`;
    })
    .join("\n");
}

/** How a setting is written: its example, or its default. */
function exampleOf(name: string): string {
  const properties: Readonly<Record<string, object>> = Environment.properties;
  const schema = properties[name] as { examples?: [string]; default?: string };
  return schema.examples?.[0] ?? schema.default!;
}

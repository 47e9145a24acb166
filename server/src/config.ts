import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";
import { defineError } from "./lib/errors.ts";
import { describeSchemaError } from "./lib/schema-error.ts";

const invalidConfig = defineError("invalid", "invalid_config", "{problems}");

/** Every environment variable that is read, and its default. `.env.example` lists them with what they do. */
const Environment = Type.Object({
  PORT: Type.Integer({ minimum: 0, maximum: 65_535, default: 8000 }),
  HOST: Type.String({ default: "127.0.0.1" }),
  DATA_DIR: Type.Optional(Type.String()),
  DATABASE_URL: Type.Optional(Type.String({ pattern: "^postgres(ql)?://" })),
  LOG_LEVEL: Type.Enum(["debug", "info", "warn", "error", "silent"], { default: "info" }),
  DEMO: Type.Boolean({ default: true }),
});

/** A path in the checkout, so that a command finds the same data from whichever folder it is run in. */
const inCheckout = (path: string): string =>
  fileURLToPath(new URL(`../../${path}`, import.meta.url));

export interface Config {
  readonly port: number;
  readonly host: string;
  /** Absolute. */
  readonly dataDir: string;
  /** Undefined: the embedded server in `dataDir`. */
  readonly databaseUrl: string | undefined;
  readonly logLevel: Static<typeof Environment>["LOG_LEVEL"];
  readonly demo: boolean;
}

/**
 * Reads the environment, once, at the start. An empty variable counts as unset.
 *
 * @throws KnownError that names every variable with a bad value, and says what it may be
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(
    Object.keys(Environment.properties).flatMap((name) => (env[name] ? [[name, env[name]]] : [])),
  );
  const values = Value.Default(Environment, Value.Convert(Environment, given));
  if (!Value.Check(Environment, values)) throw invalidConfig({ problems: describe(values, given) });
  return Object.freeze({
    port: values.PORT,
    host: values.HOST,
    dataDir: resolve(values.DATA_DIR ?? inCheckout("data")),
    databaseUrl: values.DATABASE_URL,
    logLevel: values.LOG_LEVEL,
    demo: values.DEMO,
  });
}

/** Adds what the checkout's `.env` says to the environment; a variable that is set already stays. */
export function loadEnvFile(): void {
  const file = inCheckout(".env");
  if (existsSync(file)) process.loadEnvFile(file);
}

function describe(values: unknown, given: Readonly<Record<string, string | undefined>>): string {
  return Value.Errors(Environment, values)
    .map((error) => {
      const name = error.instancePath.slice(1);
      // A database URL holds a password, and is told by its form alone.
      if (name === "DATABASE_URL") return "DATABASE_URL must start with postgres://";
      return `${describeSchemaError(error, name)}, not ${given[name]}`;
    })
    .join("\n");
}

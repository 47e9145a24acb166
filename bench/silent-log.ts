import type { Log } from "../server/src/lib/log.ts";

const quiet = () => undefined;

/** Says nothing. */
export const silentLog: Log = { debug: quiet, info: quiet, warn: quiet, error: quiet };

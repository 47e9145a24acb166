import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Addresses } from "../lib/addresses.ts";

/**
 * Names requests: each line of the log and each problem says which request it is about. A proxy that is believed may have
 * given it a name already.
 */
export function nameRequests(isProxy: Addresses): (request: IncomingMessage) => string {
  // Random once, then counted: uploads come by the thousand.
  const process = randomBytes(6).toString("base64url");
  let count = 0;
  return ({ headers, socket }) => {
    const given = headers["x-request-id"];
    if (isName(given) && isProxy(socket.remoteAddress)) return given;
    count += 1;
    return `${process}-${count.toString(36)}`;
  };
}

function isName(text: string | string[] | undefined): text is string {
  return typeof text === "string" && /^[\w.:-]{8,64}$/.test(text);
}

import { crc32 } from "node:zlib";
import { randomSecret } from "../lib/secret.ts";

const prefix = "ents_";
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Characters of a key that may be shown later, to tell keys apart. */
export const shownLength = 12;

/**
 * A new API key: a prefix that scanners of leaks look for, 43 random characters, and a checksum of 6, so that
 * what only looks like a key is told apart without the database.
 */
export function newApiKey(): string {
  const body = prefix + randomSecret(32);
  return body + checksum(body);
}

/** Whether a text is formed as a key. */
export function isApiKey(text: string): boolean {
  if (!/^ents_[\w-]{43}[0-9A-Za-z]{6}$/.test(text)) return false;
  return checksum(text.slice(0, -6)) === text.slice(-6);
}

/**
 * A new upload key: 128 random bits in 22 characters, so that `http://{host}/u/{key}` has room in the 64
 * characters of a node's setting.
 */
export function newUploadKey(): string {
  return randomSecret(16);
}

/** Whether a text is formed as an upload key. */
export function isUploadKey(text: string): boolean {
  return /^[\w-]{22}$/.test(text);
}

const secrets = /ents_[\w-]{20,}|eyJ[\w-]+\.[\w.-]+|(?<=\/u\/)[\w-]+/g;

/** A line of a log without the API keys, tokens and upload URLs that may stand in it. */
export function hideSecrets(text: string): string {
  return text.replace(secrets, "…");
}

/** What a request says in its path and headers, without keys and tokens: nor what has the length of an upload key. */
export function hideKeys(text: string): string {
  return hideSecrets(text).replace(/(?<![\w-])[\w-]{22}(?![\w-])/g, "…");
}

/**
 * A request's path as it may be logged, kept and answered: without its query, and without the upload key that
 * stands in it, however that is written.
 */
export function redactPath(url: string): string {
  const path = url.split(/[?#]/, 1)[0]!;
  const plain = unescape(path);
  if (plain === undefined) return "…";
  const [, toKey] = /^(.*?\/u\/)./is.exec(plain.replace(/\/+/g, "/")) ?? [];
  return toKey === undefined ? hideKeys(path) : `${toKey}…`;
}

/**
 * A header's value as it may be kept. Proxies repeat a request's URL, and with it an upload key, in headers of
 * their own: of such nothing is kept.
 *
 * @param key the upload key that the request showed in its path, if it did
 */
export function redactHeader(value: string, key: string | undefined): string {
  const plain = unescape(value);
  if (plain === undefined || /\/u\//i.test(plain) || (key !== undefined && plain.includes(key)))
    return "…";
  return hideKeys(value);
}

/** How often something may be escaped on top of being escaped. */
const mostEscapes = 4;

/** As routers read a path, but never failing; what is escaped more than once too. @returns undefined when too often */
function unescape(path: string): string | undefined {
  let plain = path;
  for (let escapes = 0; escapes <= mostEscapes; escapes += 1) {
    const before = plain;
    plain = plain.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    if (plain === before) return plain;
  }
  return undefined;
}

/** CRC-32 in base 62, six characters. */
function checksum(text: string): string {
  let rest = crc32(text);
  let digits = "";
  for (let i = 0; i < 6; i += 1) {
    digits = alphabet[rest % 62]! + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

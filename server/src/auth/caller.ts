import { defineError } from "../lib/errors.ts";

/** What a key may be used for. */
export const scopes = ["read", "upload", "manage"] as const;
export type Scope = (typeof scopes)[number];

/** Who is calling: nobody that we know, a logged-in user, a user's key, or a logger's upload key. */
export type Caller =
  | { readonly kind: "nobody" }
  | {
      readonly kind: "user";
      readonly userId: string;
      readonly sessionId: string;
      readonly admin: boolean;
    }
  | {
      readonly kind: "key";
      readonly userId: string;
      readonly keyId: number;
      readonly scopes: readonly Scope[];
    }
  | {
      readonly kind: "upload-key";
      readonly loggerId: number;
      /** The logger's owner. */
      readonly ownerId: string | null;
      readonly keyId: number;
    };

export const nobody: Caller = { kind: "nobody" };

/** Someone with an account, by token or by key; admin only by token. */
export interface Person {
  readonly userId: string;
  readonly admin: boolean;
}

const loginNeeded = defineError("unauthenticated", "login_needed", "No token or API key provided");
const scopeMissing = defineError("forbidden", "scope_missing", "This key has no scope {scope}");
const tokenNeeded = defineError(
  "forbidden",
  "token_needed",
  "Authentication failed: a key can't do this, log in",
);
const adminsOnly = defineError("forbidden", "admins_only", "Only admins may do this");

/** The person that calls, if it is one whose key reaches as far as the scope. */
export function findPerson(caller: Caller, scope: Scope): Person | undefined {
  if (caller.kind === "user") return caller;
  if (caller.kind === "key" && caller.scopes.includes(scope))
    return { userId: caller.userId, admin: false };
  return undefined;
}

/** @throws KnownError when nobody is logged in (401), or a key doesn't reach as far as the scope (403) */
export function requirePerson(caller: Caller, scope: Scope): Person {
  const person = findPerson(caller, scope);
  if (person) return person;
  throw caller.kind === "nobody" ? loginNeeded() : scopeMissing({ scope });
}

/** For what keys are not enough, as managing keys. @throws KnownError */
export function requireUser(caller: Caller): Extract<Caller, { kind: "user" }> {
  if (caller.kind === "user") return caller;
  throw caller.kind === "nobody" ? loginNeeded() : tokenNeeded();
}

/** @throws KnownError unless an admin is logged in */
export function requireAdmin(caller: Caller): void {
  if (!requireUser(caller).admin) throw adminsOnly();
}

import { Email, FirstName, LastName } from "@ents-backend/schemas/user";
import { Command, InvalidArgumentError } from "commander";
import type { Type } from "typebox";
import { Value } from "typebox/value";
import { hashPassword } from "../auth/passwords.ts";
import type { Db } from "../db/connect.ts";
import { systemClock } from "../lib/clock.ts";
import { recordDeed } from "../store/audit.ts";
import { revokeOtherSessions } from "../store/sessions.ts";
import { createUser, getUserByEmail, listUsers, updateUser } from "../store/users.ts";
import { commandLine } from "./actor.ts";
import { withDatabase } from "./database.ts";
import { askPassword, newPassword } from "./password.ts";
import { formatTable } from "./table.ts";

interface CreateOptions {
  readonly firstName: string;
  readonly lastName: string;
  readonly admin: boolean;
  readonly generate: boolean;
}

const create = new Command("create")
  .description("make an account; its password is asked for, or read from standard input")
  .argument("<email>", "the address that the user logs in with", email)
  .requiredOption("--first-name <name>", "the user's first name", text(FirstName))
  .option("--last-name <name>", "the user's last name", text(LastName), "")
  .option("--admin", "let the user do everything", false)
  .option("--generate", "generate a password, and print it this once", false)
  .action(async (address: string, { firstName, lastName, admin, generate }: CreateOptions) => {
    const password = generate ? newPassword() : await askPassword();
    const passwordHash = await hashPassword(password);
    // Who may run this vouches for the address.
    const person = { email: address, firstName, lastName, passwordHash, emailVerified: true };
    await change(async (db) => {
      const { id } = await createUser(db, person);
      if (admin) await updateUser(db, id, { admin });
      await note(db, id, "create", { admin });
    });
    console.log(`Made ${admin ? "admin" : "user"} ${address}.`);
    if (generate) console.log(`Password: ${password}`);
  });

const list = new Command("list")
  .description("list all users")
  .option("--json", "as JSON, for programs")
  .action(async ({ json }: { json?: boolean }) => {
    const users = await withDatabase(({ db }) => listUsers(db));
    console.log(json ? JSON.stringify(users, null, 2) : formatTable(users, userColumns));
  });

const userColumns = ["id", "email", "first_name", "last_name", "admin", "created_at"] as const;

const setPassword = new Command("set-password")
  .description(
    "give a user a new password, asked for or read from standard input; ends their sessions",
  )
  .argument("<email>", "the address that the user logs in with", email)
  .option("--generate", "generate a password, and print it this once", false)
  .action(async (address: string, { generate }: { generate: boolean }) => {
    const password = generate ? newPassword() : await askPassword();
    const password_hash = await hashPassword(password);
    await change(async (db) => {
      const { id } = await getUserByEmail(db, address);
      await updateUser(db, id, { password_hash });
      await revokeOtherSessions(db, id, undefined, systemClock());
      await note(db, id, "change_password");
    });
    console.log(`${address} has a new password; their sessions have ended.`);
    if (generate) console.log(`Password: ${password}`);
  });

const makeAdmin = new Command("make-admin")
  .description("let a user do everything")
  .argument("<email>", "the address that the user logs in with", email)
  .option("--undo", "take it back", false)
  .action(async (address: string, { undo }: { undo: boolean }) => {
    await change(async (db) => {
      const { id } = await getUserByEmail(db, address);
      await updateUser(db, id, { admin: !undo });
      await note(db, id, undo ? "unmake_admin" : "make_admin");
    });
    console.log(`${address} is ${undo ? "no longer" : "now"} an admin.`);
  });

export const userCommand = new Command("user")
  .description("make and list accounts, change passwords, appoint admins")
  .addCommand(create)
  .addCommand(list)
  .addCommand(setPassword)
  .addCommand(makeAdmin);

/** Changes the database all at once or not at all. */
async function change(act: (db: Db) => Promise<void>): Promise<void> {
  await withDatabase(({ db }) => db.transaction().execute(act));
}

async function note(db: Db, userId: string, action: string, details: object = {}): Promise<void> {
  const actor = commandLine;
  const objectType = "user";
  await recordDeed(db, { at: systemClock(), actor, action, objectType, objectId: userId, details });
}

function email(value: string): string {
  if (!Value.Check(Email, value)) throw new InvalidArgumentError("an e-mail address.");
  return value.trim();
}

function text(schema: Type.TString): (value: string) => string {
  return (value) => {
    if (!Value.Check(schema, value))
      throw new InvalidArgumentError("up to 100 characters, no control characters.");
    return value.trim();
  };
}

import { randomUUID } from "node:crypto";
import { createCell, type Visibility } from "../../src/store/cells.ts";
import { addMember } from "../../src/store/members.ts";
import type { TestApi } from "./api.ts";
import { newUser, type TestUser } from "./users.ts";

/** A cell and one of everyone who may ask for it. */
export interface Team {
  readonly id: number;
  readonly name: string;
  readonly owner: TestUser;
  readonly editor: TestUser;
  readonly viewer: TestUser;
  readonly stranger: TestUser;
  readonly admin: TestUser;
  readonly nobody: undefined;
}

/** A cell of its own for one test, that anyone may upload to who knows its number. */
export async function newTeam(api: TestApi, visibility: Visibility): Promise<Team> {
  const [owner, editor, viewer, stranger, admin] = [
    await newUser(api),
    await newUser(api),
    await newUser(api),
    await newUser(api),
    await newUser(api, { admin: true }),
  ];
  const { id, name } = await createCell(api.db, {
    name: `team ${randomUUID()}`,
    uploadPolicy: "open",
    visibility,
    userId: owner.id,
  });
  await addMember(api.db, id, editor.id, "editor");
  await addMember(api.db, id, viewer.id, "viewer");
  return { id, name, owner, editor, viewer, stranger, admin, nobody: undefined };
}

/** Gives two users a cell in common: by that they may be told of each other. */
export async function acquaint(
  { db }: Pick<TestApi, "db">,
  owner: Pick<TestUser, "id">,
  friend: Pick<TestUser, "id">,
): Promise<void> {
  const name = `in common ${randomUUID()}`;
  const { id } = await createCell(db, { name, uploadPolicy: "open", userId: owner.id });
  await addMember(db, id, friend.id, "viewer");
}

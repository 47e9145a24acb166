import { defineError } from "../../lib/errors.ts";
import { largestCellNumber } from "../../store/cell-numbers.ts";
import { keyOf, type Here, type Named } from "../../store/legacy/here.ts";
import type { OldDirectory } from "../../store/legacy/old-directory.ts";

const largestLoggerNumber = 2_000_000_000;

const inTheWay = defineError(
  "conflict",
  "legacy_collisions",
  "nothing has come over, since this is in the way:\n{list}",
);

/** E-mail addresses count without regard to letter case and outer space. */
export function normaliseEmail(email: string | null): string | undefined {
  const normal = email?.trim().toLowerCase();
  return normal?.includes("@") ? normal : undefined;
}

/** Names count without regard to letter case and outer space. */
export function normaliseName(name: string | null): string {
  return (name ?? "").trim().toLowerCase();
}

/**
 * Why what the old backend has can't come over as it is: numbers and names that are somebody else's here, accounts that
 * nobody knows whose they are. A sentence each, with the way out.
 *
 * @param trusted whether the accounts here are believed to be whose address they have
 */
export function findCollisions(
  old: OldDirectory,
  here: Here,
  { trusted }: { readonly trusted: boolean },
): string[] {
  return [
    ...findStranger(old, here),
    ...findNumbered("cell", old.cells, here, largestCellNumber),
    ...findNumbered("logger", old.loggers, here, largestLoggerNumber),
    ...(trusted ? [] : findUnproved(old, here)),
  ];
}

/** @throws KnownError that lists all that is in the way */
export function requireRoom(old: OldDirectory, here: Here, trusted: boolean): void {
  const found = findCollisions(old, here, { trusted });
  if (found.length > 0) throw inTheWay({ list: found.map((one) => `  ${one}`).join("\n") });
}

/** What came over before has users, and this one has none of them: its numbers mean something else. */
function findStranger({ users }: OldDirectory, here: Here): string[] {
  const hasBrought = [...here.brought.keys()].some((key) => key.startsWith(keyOf("user", "")));
  if (!hasBrought || users.some(({ id }) => here.brought.has(keyOf("user", id)))) return [];
  return [
    "another old backend came over before: none of its users is in this one; move this one into an empty database",
  ];
}

interface OldNamed {
  readonly id: number;
  readonly name: string | null;
}

function findNumbered(
  kind: "cell" | "logger",
  old: readonly OldNamed[],
  here: Here,
  largest: number,
): string[] {
  const known = here[`${kind}s`].filter(({ isUnusedDemo }) => !isUnusedDemo);
  const byId = new Map(known.map((one) => [one.id, one]));
  const byName = new Map(known.map((one) => [normaliseName(one.name), one]));
  const seen = { ids: new Map<number, OldNamed>(), names: new Map<string, OldNamed>() };
  return old.flatMap((one) => {
    if (here.brought.has(keyOf(kind, one.id))) return [];
    const name = normaliseName(one.name);
    const title = `${kind} ${one.id} (${one.name ?? "no name"})`;
    const faults = [
      ...findIllFormed(one, name, largest),
      ...findTwins(one, name, seen),
      ...findTaken(name, byId.get(one.id), byName.get(name)),
      ...(kind === "cell" && here.deletedCells.has(one.id)
        ? ["its number was that of a cell that is deleted here; start with an empty database"]
        : []),
    ];
    return faults.map((fault) => `${title}: ${fault}`);
  });
}

function findIllFormed({ id }: OldNamed, name: string, largest: number): string[] {
  return [
    ...(name === "" ? ["it has no name; give it one in the old backend"] : []),
    ...(id < 1 || id > largest ? [`numbers are from 1 to ${largest} here`] : []),
  ];
}

/** Two of the old backend's that would be one here. */
function findTwins(
  one: OldNamed,
  name: string,
  { ids, names }: { ids: Map<number, OldNamed>; names: Map<string, OldNamed> },
): string[] {
  const [sameId, sameName] = [ids.get(one.id), names.get(name)];
  ids.set(one.id, one);
  if (name !== "") names.set(name, one);
  if (sameId) return ["the old backend has another one with this number; delete one of them there"];
  if (sameName)
    return [
      `the old backend has the same name for number ${sameName.id} (${sameName.name}), but for letter case or outer space; rename one of them there`,
    ];
  return [];
}

function findTaken(name: string, sameId: Named | undefined, sameName: Named | undefined): string[] {
  if (sameId && normaliseName(sameId.name) !== name)
    return [
      `its number is that of "${sameId.name}" here; nodes send numbers, so it can't have another one: delete or move that one here, or start with an empty database (DEMO=false)`,
    ];
  if (!sameId && sameName)
    return [`its name is that of number ${sameName.id} here; rename one of them`];
  return [];
}

/** Who registered with somebody else's address would get their cells. */
function findUnproved(old: OldDirectory, here: Here): string[] {
  const unproved = new Map(here.accounts.map((account) => [account.email, account]));
  return old.users.flatMap(({ id, email }) => {
    const account = unproved.get(normaliseEmail(email) ?? "");
    if (!account?.isUnproved || here.brought.has(keyOf("user", id))) return [];
    return [
      `user ${account.email}: there is an account with this address here, and nobody has proved that it is theirs; it would own what comes over. If you know whose it is, say --trust-accounts`,
    ];
  });
}

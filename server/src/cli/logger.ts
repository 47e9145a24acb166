import { Command, Option } from "commander";
import type { Db } from "../db/connect.ts";
import { systemClock } from "../lib/clock.ts";
import { recordDeed } from "../store/audit.ts";
import { requireClaimable } from "../store/logger-numbers.ts";
import {
  createLogger,
  listLoggers,
  listUnregisteredLoggers,
  vwcUnits,
  type UnregisteredLogger,
  type VwcUnit,
} from "../store/loggers.ts";
import { readLastReceived } from "../store/sightings.ts";
import { getUserByEmail } from "../store/users.ts";
import { countConflictsOf } from "../timeseries/conflicts.ts";
import { commandLine } from "./actor.ts";
import { withDatabase } from "./database.ts";
import { duration, label, wholeNumber } from "./options.ts";
import { formatTable } from "./table.ts";

interface CreateOptions {
  readonly type?: string;
  readonly deviceEui?: string;
  readonly description?: string;
  readonly vwcUnit?: VwcUnit;
  readonly owner?: string;
  readonly id?: number;
}

const create = new Command("create")
  .description("register a logger: a device that sends readings")
  .argument("<name>", "unique, without regard to letter case", label)
  .option("--type <type>", "what kind of device it is, as ents or other", label)
  .option("--device-eui <eui>", "its LoRaWAN DevEUI", label)
  .option("--description <text>", "anything worth knowing", label)
  .option("--owner <email>", "the user whose logger it is; without one, only admins change it")
  .option("--id <number>", "the number that it sends already", wholeNumber(1))
  .addOption(
    new Option(
      "--vwc-unit <unit>",
      "what it sends soil moisture in; without it, values up to 1 are taken for fractions",
    ).choices(vwcUnits),
  )
  .action(async (name: string, { owner, ...options }: CreateOptions) => {
    await withDatabase(async ({ db }) => {
      const userId = owner === undefined ? null : (await getUserByEmail(db, owner)).id;
      const logger = await db.transaction().execute(async (transaction) => {
        if (options.id !== undefined) await requireClaimable(transaction, options.id, undefined);
        const made = await createLogger(transaction, { name, ...options, userId });
        await recordDeed(transaction, {
          at: systemClock(),
          actor: commandLine,
          action: "create",
          objectType: "logger",
          objectId: String(made.id),
          details: { name: made.name, user_id: userId },
        });
        return made;
      });
      console.log(`Made logger ${logger.id}, ${logger.name}.`);
    });
  });

const list = new Command("list")
  .description("list all loggers, and numbers that upload without being registered")
  .option(
    "--silent-for <duration>",
    "those alone that nothing came from for 30m, 12h, 7d",
    duration,
  )
  .option("--json", "as JSON, for programs")
  .action(async ({ json, silentFor = 0 }: { json?: boolean; silentFor?: number }) => {
    const before = new Date((systemClock() - silentFor) * 1000);
    const { registered, unregistered } = await withDatabase(({ db }) => listAll(db, before));
    if (json) return console.log(JSON.stringify({ registered, unregistered }, null, 2));
    console.log(formatTable(registered, loggerColumns));
    if (unregistered.length > 0) console.log(`\n${describe(unregistered)}`);
  });

/**
 * All loggers, registered or not, that weren't heard of since a time, with the number of their readings that came second.
 */
async function listAll(db: Db, before: Date) {
  const [registered, unregistered] = await Promise.all([
    listLoggers(db),
    listUnregisteredLoggers(db),
  ]);
  const ids = [...registered, ...unregistered].map(({ id }) => id);
  const conflicts = await countConflictsOf(db, ids);
  const heard = await readLastReceived(db, ids);
  const complete = <Row extends { readonly id: number }>(rows: readonly Row[]) =>
    rows
      .map((row) => ({
        ...row,
        last_received_at: heard.get(row.id) ?? null,
        conflicts: conflicts.get(row.id) ?? 0,
      }))
      .filter(({ last_received_at: at }) => at === null || at <= before);
  return { registered: complete(registered), unregistered: complete(unregistered) };
}

const loggerColumns = [
  "id",
  "name",
  "type",
  "device_eui",
  "vwc_unit",
  "date_created",
  "last_received_at",
  "conflicts",
  "description",
] as const;

function describe(
  unregistered: readonly (UnregisteredLogger & {
    readonly last_received_at: Date | null;
    readonly conflicts: number;
  })[],
): string {
  const lines = unregistered.map(
    ({ id, cellIds, firstSeen, last_received_at: last, conflicts }) => {
      const since = `first seen ${firstSeen.toISOString()}, last ${last?.toISOString() ?? "-"}`;
      const seen = `  ${id}: cells ${cellIds.join(", ")}, ${since}`;
      return conflicts === 0 ? seen : `${seen}, ${conflicts} conflicting readings`;
    },
  );
  return [
    "Numbers that upload and that nobody has registered (logger create --id does):",
    ...lines,
  ].join("\n");
}

export const loggerCommand = new Command("logger")
  .description("register and list loggers")
  .addCommand(create)
  .addCommand(list);

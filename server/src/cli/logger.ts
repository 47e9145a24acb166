import { Command, Option } from "commander";
import {
  createLogger,
  listLoggers,
  listUnregisteredLoggers,
  vwcUnits,
  type UnregisteredLogger,
  type VwcUnit,
} from "../store/loggers.ts";
import { withDatabase } from "./database.ts";
import { label } from "./options.ts";
import { formatTable } from "./table.ts";

interface CreateOptions {
  readonly type?: string;
  readonly deviceEui?: string;
  readonly description?: string;
  readonly vwcUnit?: VwcUnit;
}

const create = new Command("create")
  .description("register a logger: a device that sends readings")
  .argument("<name>", "unique, without regard to letter case", label)
  .option("--type <type>", "what kind of device it is, as ents or other", label)
  .option("--device-eui <eui>", "its LoRaWAN DevEUI", label)
  .option("--description <text>", "anything worth knowing", label)
  .addOption(
    new Option(
      "--vwc-unit <unit>",
      "what it sends soil moisture in; without it, values up to 1 are taken for fractions",
    ).choices(vwcUnits),
  )
  .action(async (name: string, options: CreateOptions) => {
    await withDatabase(async ({ db }) => {
      const logger = await createLogger(db, { name, ...options });
      console.log(`Made logger ${logger.id}, ${logger.name}.`);
    });
  });

const list = new Command("list")
  .description("list all loggers, and numbers that upload without being registered")
  .option("--json", "as JSON, for programs")
  .action(async ({ json }: { json?: boolean }) => {
    const [registered, unregistered] = await withDatabase(({ db }) =>
      Promise.all([listLoggers(db), listUnregisteredLoggers(db)]),
    );
    if (json) return console.log(JSON.stringify({ registered, unregistered }, null, 2));
    console.log(formatTable(registered, loggerColumns));
    if (unregistered.length > 0) console.log(`\n${describe(unregistered)}`);
  });

const loggerColumns = [
  "id",
  "name",
  "type",
  "device_eui",
  "vwc_unit",
  "date_created",
  "description",
] as const;

function describe(unregistered: readonly UnregisteredLogger[]): string {
  const lines = unregistered.map(
    ({ id, cellIds, firstSeen }) =>
      `  ${id}: cells ${cellIds.join(", ")}, first seen ${firstSeen.toISOString()}`,
  );
  return ["Numbers that upload and that nobody has registered:", ...lines].join("\n");
}

export const loggerCommand = new Command("logger")
  .description("register and list loggers")
  .addCommand(create)
  .addCommand(list);

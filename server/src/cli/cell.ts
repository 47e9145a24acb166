import { Command, Option } from "commander";
import { loadConfig } from "../config.ts";
import { systemClock } from "../lib/clock.ts";
import { recordDeed } from "../store/audit.ts";
import { listCells } from "../store/cell-list.ts";
import {
  createCell,
  uploadPolicies,
  visibilities,
  type Cell,
  type UploadPolicy,
  type Visibility,
} from "../store/cells.ts";
import { getUserByEmail } from "../store/users.ts";
import { everything } from "../store/visibility.ts";
import { commandLine } from "./actor.ts";
import { withDatabase } from "./database.ts";
import { degrees, label, wholeNumber } from "./options.ts";
import { formatTable } from "./table.ts";

interface CreateOptions {
  readonly location?: string;
  readonly latitude?: number;
  readonly longitude?: number;
  readonly uploadPolicy?: UploadPolicy;
  readonly visibility?: Visibility;
  readonly owner?: string;
  readonly id?: number;
}

const create = new Command("create")
  .description("make a cell: a place whose readings belong together")
  .argument("<name>", "unique, without regard to letter case", label)
  .option("--location <text>", "where it is, in words", label)
  .option("--latitude <degrees>", "degrees north, -90 to 90", degrees(90))
  .option("--longitude <degrees>", "degrees east, -180 to 180", degrees(180))
  .option("--owner <email>", "the user whose cell it is; without one, only admins change it")
  .option("--id <number>", "the number that nodes send for it already", wholeNumber(1))
  .addOption(
    new Option(
      "--visibility <visibility>",
      "public: anyone may read it; private: those it is shared with (default: public)",
    ).choices(visibilities),
  )
  .addOption(
    new Option(
      "--upload-policy <policy>",
      "open: anyone who knows its number may upload; key: nobody without a key (default: DEFAULT_UPLOAD_POLICY)",
    ).choices(uploadPolicies),
  )
  .action(async (name: string, { owner, ...options }: CreateOptions) => {
    const { defaultUploadPolicy } = loadConfig();
    await withDatabase(async ({ db }) => {
      const userId = owner === undefined ? null : (await getUserByEmail(db, owner)).id;
      const cell = await db.transaction().execute(async (transaction) => {
        const wish = { name, uploadPolicy: defaultUploadPolicy, ...options, userId };
        const made = await createCell(transaction, wish);
        await recordDeed(transaction, {
          at: systemClock(),
          actor: commandLine,
          action: "create",
          objectType: "cell",
          objectId: String(made.id),
          cellId: made.id,
          details: { name: made.name, user_id: userId },
        });
        return made;
      });
      console.log(describe(cell));
    });
  });

const list = new Command("list")
  .description("list all cells")
  .option("--json", "as JSON, for programs")
  .action(async ({ json }: { json?: boolean }) => {
    const cells = await withDatabase(({ db }) => listCells(db, everything));
    console.log(json ? JSON.stringify(cells, null, 2) : formatTable(cells, cellColumns));
  });

const cellColumns = [
  "id",
  "name",
  "location",
  "latitude",
  "longitude",
  "visibility",
  "upload_policy",
  "archive",
] as const;

function describe({ id, name, upload_policy, user_id }: Cell): string {
  const made = `Made cell ${id}, ${name} (upload policy ${upload_policy}).`;
  if (upload_policy === "open") return made;
  if (user_id === null)
    return `${made}
It takes uploads with a key only, and has no owner whose key that could be: an admin can upload, and give it an owner.
--owner makes a cell that somebody owns, --upload-policy open one that takes uploads from anyone who knows its number.`;
  return `${made}
It takes uploads with a key only: one of its owner's or editors', or the upload key of a logger of theirs.
--upload-policy open makes a cell that takes them from anyone who knows its number.`;
}

export const cellCommand = new Command("cell")
  .description("make and list cells")
  .addCommand(create)
  .addCommand(list);

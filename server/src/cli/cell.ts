import { Command, Option } from "commander";
import { createCell, listCells, uploadPolicies, type UploadPolicy } from "../store/cells.ts";
import { withDatabase } from "./database.ts";
import { degrees, label } from "./options.ts";
import { formatTable } from "./table.ts";

interface CreateOptions {
  readonly location?: string;
  readonly latitude?: number;
  readonly longitude?: number;
  readonly uploadPolicy: UploadPolicy;
}

const create = new Command("create")
  .description("make a cell: a place whose readings belong together")
  .argument("<name>", "unique, without regard to letter case", label)
  .option("--location <text>", "where it is, in words", label)
  .option("--latitude <degrees>", "degrees north, -90 to 90", degrees(90))
  .option("--longitude <degrees>", "degrees east, -180 to 180", degrees(180))
  .addOption(
    new Option(
      "--upload-policy <policy>",
      "open: anyone who knows its number may upload; key: nobody without a key",
    )
      .choices(uploadPolicies)
      .default("open"),
  )
  .action(async (name: string, options: CreateOptions) => {
    await withDatabase(async ({ db }) => {
      const cell = await createCell(db, { name, ...options });
      console.log(`Made cell ${cell.id}, ${cell.name} (upload policy ${cell.upload_policy}).`);
    });
  });

const list = new Command("list")
  .description("list all cells")
  .option("--json", "as JSON, for programs")
  .action(async ({ json }: { json?: boolean }) => {
    const cells = await withDatabase(({ db }) => listCells(db));
    console.log(json ? JSON.stringify(cells, null, 2) : formatTable(cells, cellColumns));
  });

const cellColumns = [
  "id",
  "name",
  "location",
  "latitude",
  "longitude",
  "upload_policy",
  "archive",
] as const;

export const cellCommand = new Command("cell")
  .description("make and list cells")
  .addCommand(create)
  .addCommand(list);

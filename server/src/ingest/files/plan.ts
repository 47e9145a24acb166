import type { ImportFormat, Mapping } from "@ents-backend/schemas/import";
import { defineError } from "../../lib/errors.ts";
import { readHead, toUtf8 } from "./encoding.ts";
import type { FileFormat, Head } from "./format.ts";
import { getFormat, recognise } from "./formats.ts";
import { quote } from "./quote.ts";
import type { StoredFile } from "./source.ts";
import { isZip, openZip } from "./zip.ts";

/** A file that is to be imported, and what it is. */
export interface PlannedFile {
  readonly file: StoredFile;
  readonly format: FileFormat;
}

/** What is to be imported. */
export interface Plan {
  readonly files: readonly PlannedFile[];
  /** What stands in zip files beside measurements. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/** How files are to be understood, where they don't say so themselves. */
interface Understanding {
  readonly format: ImportFormat | undefined;
  readonly mapping: Mapping | undefined;
}

const emptyFile = defineError("invalid", "empty_file", "{file} is empty");
const unknownFile = defineError(
  "invalid",
  "unknown_file",
  "{file} is no file of measurements that is known here{found}; a table of measurements can be imported with a mapping, which says what its columns hold",
);
const nothingToImport = defineError(
  "invalid",
  "nothing_to_import",
  "there is no file of measurements in it; {count} were left out, the first of them: {reason}",
);

/**
 * Finds out what files are, by what they begin with: those that are given, and those in zip files.
 *
 * @throws KnownError when one that is given can't be imported, or there is nothing to import
 */
export async function planImport(
  given: readonly StoredFile[],
  understanding: Understanding,
  signal: AbortSignal,
): Promise<Plan> {
  const files: PlannedFile[] = [];
  const skipped: { name: string; reason: string }[] = [];
  for (const file of given) {
    const head = await getHead(file);
    if (!isZip(head.bytes)) {
      files.push(toPlanned(file, head, understand(file, head, understanding)));
      continue;
    }
    for (const entry of await openZip(file, signal)) {
      const planned = await planEntry(entry, understanding);
      if ("reason" in planned) skipped.push({ name: entry.name, reason: planned.reason });
      else files.push(planned);
    }
  }
  if (files.length === 0)
    throw nothingToImport({ count: skipped.length, reason: skipped[0]?.reason ?? "nothing" });
  return { files, skipped };
}

/** In a zip file there may be anything beside measurements. */
async function planEntry(
  file: StoredFile,
  understanding: Understanding,
): Promise<PlannedFile | { readonly reason: string }> {
  if (file.size === 0) return { reason: "it is empty" };
  const head = await getHead(file);
  if (isZip(head.bytes)) return { reason: "it is a zip file in a zip file: unpack it" };
  if (isParquet(head)) return { reason: "it is a Parquet file in a zip file: unpack it" };
  const format = recognise(head);
  if (format)
    return toPlanned(file, head, understanding.format ? getFormat(understanding.format) : format);
  const isTable = /[,;\t]/.test(head.firstLine);
  if (understanding.mapping && isTable) return toPlanned(file, head, getFormat("mapped"));
  return { reason: `it is no file of measurements that is known here${describeStart(head)}` };
}

function toPlanned(file: StoredFile, { encoding }: Head, format: FileFormat): PlannedFile {
  if (format.reads === "bytes") return { file, format };
  return { file: { ...file, read: (signal) => toUtf8(file.read(signal), encoding) }, format };
}

async function getHead(file: StoredFile): Promise<Head> {
  if (file.size === 0) throw emptyFile({ file: file.name });
  return await readHead(file);
}

function understand(
  { name }: StoredFile,
  head: Head,
  { format, mapping }: Understanding,
): FileFormat {
  if (format) return getFormat(format);
  if (mapping) return getFormat("mapped");
  const found = recognise(head);
  if (found) return found;
  throw unknownFile({ file: name, found: describeStart(head) });
}

function describeStart({ firstLine }: Head): string {
  return firstLine === "" ? "" : `: it begins with ${quote(firstLine)}`;
}

function isParquet({ bytes }: Head): boolean {
  return Buffer.from(bytes.subarray(0, 4)).toString("latin1") === "PAR1";
}

import type { MultipartFile } from "@fastify/multipart";
import type { FastifyRequest } from "fastify";
import { ImportFields } from "@ents-backend/schemas/import";
import { Value } from "typebox/value";
import type { Db } from "../db/connect.ts";
import { leaveRoom } from "../lib/disk.ts";
import { defineError } from "../lib/errors.ts";
import { describeSchemaError } from "../lib/schema-error.ts";
import { deleteFile, writeFile } from "../store/files.ts";
import { measureSentFiles } from "../store/imports.ts";
import { mediaType } from "../http/media-type.ts";

/** Files that were sent, and what came beside them. */
interface Upload {
  /** Their numbers in the database. */
  readonly files: readonly string[];
  readonly fields: ImportFields;
}

interface UploadLimits {
  readonly db: Db;
  readonly userId: string;
  /** All files of one import together. */
  readonly max_bytes: number;
  /** All files that one user has sent and that are kept. */
  readonly kept_bytes: number;
  readonly keep_s: number;
  /** A directory on the disk that they are kept on, where that is this machine's. */
  readonly diskOf: string | undefined;
}

/** What a form takes beside the bytes of its files. */
const form_bytes = 1024 * 1024;
/** A mapping is the longest of its fields, which are in bytes. */
export const formLimits = { files: 100, fields: 20, fieldSize: 256 * 1024 };

const notMultipart = defineError(
  "unsupported_media_type",
  "unsupported_media_type",
  "send the files as multipart/form-data",
);
const tooLarge = defineError(
  "too_large",
  "import_too_large",
  "one import takes {max} MB: send fewer files, or pack them into zip files",
);
const noRoom = defineError(
  "too_many_requests",
  "imports_full",
  "files for imports take {used} MB of the {most} MB that they may: delete imports that are done",
);
const brokenForm = defineError(
  "invalid",
  "broken_form",
  "what was sent is no whole form in multipart/form-data: {why}",
);
const tooMany = defineError(
  "too_large",
  "form_too_large",
  "a form takes {files} files and {fields} fields: pack files into zip files",
);
const noFiles = defineError("invalid", "no_files", "there is no file in the form");
const badField = defineError("invalid", "invalid_field", "{problem}");

/**
 * Takes in a form with files, in the memory that some pieces of them take. Where it fails nothing is kept.
 *
 * @throws KnownError (400, 413, 415, 429)
 */
export async function takeUpload(request: FastifyRequest, limits: UploadLimits): Promise<Upload> {
  if (mediaType(request) !== "multipart/form-data") throw notMultipart();
  const { db, userId, max_bytes, kept_bytes } = limits;
  const max = Math.floor(max_bytes / 1e6);
  if (Number(request.headers["content-length"] ?? 0) > max_bytes + form_bytes)
    throw tooLarge({ max });
  const used = await measureSentFiles(db, userId);
  if (used >= kept_bytes)
    throw noRoom({ used: Math.round(used / 1e6), most: Math.round(kept_bytes / 1e6) });
  const files: string[] = [];
  try {
    const fields = await takeParts(request, limits, files);
    if (files.length === 0) throw noFiles();
    return { files, fields: readFields(fields) };
  } catch (error) {
    for (const id of files) await deleteFile(db, id);
    throw explain(error);
  }
}

/** The parser throws an error of no kind for what it can't read, and one of a few words for what is too much. */
function explain(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if ("code" in error)
    return /^FST_.*_LIMIT$/.test(String(error.code)) ? tooMany(formLimits) : error;
  return /multipart/i.test(error.message) ? brokenForm({ why: error.message }) : error;
}

async function takeParts(
  request: FastifyRequest,
  limits: UploadLimits,
  files: string[],
): Promise<Record<string, unknown>> {
  const fields: Record<string, unknown> = {};
  let left_bytes = limits.max_bytes;
  for await (const part of request.parts()) {
    if (part.type === "field") {
      fields[part.fieldname] = part.value;
      continue;
    }
    if (Object.hasOwn(ImportFields.properties, part.fieldname)) {
      fields[part.fieldname] = await readText(part);
      continue;
    }
    const { id, size } = await keepFile(part, left_bytes, limits);
    files.push(id);
    left_bytes -= size;
  }
  return fields;
}

/** A field that comes as a file, as `curl -F mapping=@sheet.json` sends it. */
async function readText({ fieldname, file }: MultipartFile): Promise<string> {
  const pieces: Buffer[] = [];
  let left_bytes = formLimits.fieldSize;
  for await (const piece of file as AsyncIterable<Buffer>) {
    left_bytes -= piece.length;
    if (left_bytes < 0)
      throw badField({ problem: `${fieldname} is longer than ${formLimits.fieldSize} bytes` });
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

async function keepFile(
  { filename, mimetype, file }: MultipartFile,
  left_bytes: number,
  { db, userId, max_bytes, keep_s, diskOf }: UploadLimits,
) {
  const whose = { accountId: userId, origin: null, taskId: null };
  const about = { name: nameOf(filename), mediaType: mimetype, keep_s, max_bytes: left_bytes };
  try {
    return await writeFile(db, { ...whose, ...about }, leaveRoom(file, diskOf));
  } catch (error) {
    // It would have fitted alone, perhaps.
    const isFull = error instanceof Error && "code" in error && error.code === "file_too_large";
    throw isFull ? tooLarge({ max: Math.floor(max_bytes / 1e6) }) : error;
  }
}

/** A file's own name, without where it was on someone's disk. */
function nameOf(filename: string): string {
  const name = filename.split(/[/\\]/).at(-1)!.replace(/\p{C}/gu, "\uFFFD").slice(0, 200);
  return name === "" ? "file" : name;
}

/** Fields of a form are text: numbers and JSON are read from it. */
function readFields(fields: Readonly<Record<string, unknown>>): ImportFields {
  const given = Object.entries(fields).filter(([, value]) => value !== "");
  const read = Object.fromEntries(given.map(([name, value]) => [name, readField(name, value)]));
  if (Value.Check(ImportFields, read)) return read;
  const [error] = Value.Errors(ImportFields, read);
  throw badField({ problem: describeSchemaError(error, "the form") });
}

function readField(name: string, value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (name === "cell" || name === "logger") return /^\d{1,10}$/.test(value) ? Number(value) : value;
  return name === "mapping" ? parseJson(value) : value;
}

function parseJson(text: string): unknown {
  try {
    // A byte order mark is white space, but not to JSON.
    return JSON.parse(text.trim());
  } catch {
    throw badField({ problem: "mapping is no JSON" });
  }
}

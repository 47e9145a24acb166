import { ImportFields, ImportReport } from "@ents-backend/schemas/import";
import { TaskId } from "@ents-backend/schemas/task";
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";
import type { Db } from "../db/connect.ts";
import { checkCells, requireOpen } from "../ingest/files/cells.ts";
import {
  previewImport,
  runFileImport,
  sizeOf,
  type FileImport,
  type FileProgress,
} from "../ingest/files/file-import.ts";
import { parseMapping } from "../ingest/files/mapping.ts";
import { planImport } from "../ingest/files/plan.ts";
import type { Clock } from "../lib/clock.ts";
import { count } from "../lib/count.ts";
import { defineError } from "../lib/errors.ts";
import { findSentFiles } from "../store/imports.ts";
import { getTask, type Task } from "../store/tasks.ts";
import { openSentFile } from "./sent-file.ts";
import { defineKind, type Asker, type Kind, type Work } from "./kind.ts";

interface ImportKindDeps {
  readonly db: Db;
  readonly clock: Clock;
}

const PreviewParams = Type.Object(
  {
    files: Type.Array(TaskId, { minItems: 1, maxItems: 100 }),
    ...ImportFields.properties,
  },
  { additionalProperties: false },
);
type PreviewParams = Static<typeof PreviewParams>;

const RunParams = Type.Object({ preview: TaskId }, { additionalProperties: false });

const filesGone = defineError(
  "not_found",
  "files_gone",
  "the files are not there, or no longer: send them again",
);
const notPreviewed = defineError(
  "conflict",
  "not_previewed",
  "the preview is not done yet: it is {state}",
);

/** Finds out what files hold that were sent, and what would become of it. */
export function previewKind(deps: ImportKindDeps): Kind {
  return defineKind({
    name: "import-preview",
    params: PreviewParams,
    scope: "upload",
    prepare: async (params, asker) => await preparePreview(deps.db, params, asker),
    async run(params, work) {
      const order = await openOrder(deps, params, work, { reading: [0, 0.4], comparing: [0.4, 1] });
      return finish(await previewImport(deps.db, order), work);
    },
  });
}

/** Imports what a preview has shown. */
export function importKind(deps: ImportKindDeps): Kind {
  const { db } = deps;
  return defineKind({
    name: "import",
    params: RunParams,
    scope: "upload",
    async prepare(params, asker) {
      const { report } = await getPreview(db, params.preview, asker);
      const cells = report.cells.map(({ id }) => id);
      requireOpen(await checkCells(db, asker, cells));
      return params;
    },
    async run({ preview }, work) {
      const { params, report } = await getPreview(db, preview, work.asker);
      const order = await openOrder(deps, params, work, { reading: [0, 0.3], importing: [0.3, 1] });
      return finish(await runFileImport(db, order, report.gaps), work);
    },
  });
}

async function preparePreview(db: Db, params: PreviewParams, asker: Asker): Promise<PreviewParams> {
  if (params.mapping) parseMapping(params.mapping);
  if (params.cell !== undefined) requireOpen(await checkCells(db, asker, [params.cell]));
  await getFiles(db, params, asker);
  return params;
}

/** A preview that is done. @throws KnownError where it is someone else's, or isn't done */
async function getPreview(
  db: Db,
  id: string,
  { userId }: Asker,
): Promise<{ readonly params: PreviewParams; readonly report: ImportReport }> {
  const task = await getTask(db, { accountId: userId ?? null, origin: null }, id);
  const { params, result, state }: Pick<Task, "params" | "result" | "state"> = task;
  if (task.kind !== "import-preview" || !Value.Check(PreviewParams, params)) throw filesGone();
  if (!Value.Check(ImportReport, result)) throw notPreviewed({ state });
  return { params, report: result };
}

async function getFiles(db: Db, { files }: PreviewParams, { userId }: Asker) {
  const found = userId === undefined ? [] : await findSentFiles(db, userId, files);
  if (found.length < files.length) throw filesGone();
  return found;
}

type Phases = Partial<Readonly<Record<FileProgress["phase"], readonly [from: number, to: number]>>>;

async function openOrder(
  { db, clock }: ImportKindDeps,
  params: PreviewParams,
  work: Work,
  phases: Phases,
): Promise<FileImport> {
  const { asker, signal, keepRoom } = work;
  const { cell, logger, format, mapping, vwc_unit } = params;
  const files = (await getFiles(db, params, asker)).map((file) => openSentFile(db, file));
  const plan = await planImport(files, { format, mapping }, signal);
  const all_bytes = sizeOf(plan);
  return {
    plan,
    cellId: cell,
    loggerId: logger,
    mapping,
    vwcUnit: vwc_unit,
    receivedAt: clock(),
    clock,
    importer: asker,
    signal,
    keepRoom,
    onProgress({ phase, rows, bytes }) {
      const [from, to] = phases[phase] ?? [0, 1];
      work.report(from + ((to - from) * bytes) / all_bytes, `${phase}: ${count(rows, "row")}`);
    },
  };
}

function finish(report: ImportReport, { signal }: Work): ImportReport {
  signal.throwIfAborted();
  return report;
}

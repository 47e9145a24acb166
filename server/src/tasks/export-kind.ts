import { ExportParams } from "@ents-backend/schemas/export";
import { writeExport, type ExportDeps } from "../exports/export.ts";
import { describeFile } from "../exports/file.ts";
import { prepareExport } from "../exports/request.ts";
import { defineKind, type Kind } from "./kind.ts";

/** Readings as a file, of cells that whoever asks may read. */
export function exportKind(deps: ExportDeps): Kind {
  return defineKind({
    name: "export",
    scope: "read",
    params: ExportParams,
    async prepare(params, asker) {
      await prepareExport(deps.db, asker, params);
      return params;
    },
    async run(params, work) {
      const query = await prepareExport(deps.db, work.asker, params);
      const { signal } = work;
      const report = (fraction: number, doing: string) => work.report(fraction, doing);
      const pieces = writeExport(deps, query, { signal, report });
      await work.writeFile(describeFile(query), pieces);
      return undefined;
    },
  });
}

import type { ExportDeps } from "../exports/export.ts";
import { exportKind } from "./export-kind.ts";
import { importKind, previewKind } from "./import-kinds.ts";
import type { Kinds } from "./kind.ts";

type KindDeps = ExportDeps;

/** All kinds of long work: for the API, which asks for it, and for workers, which do it. */
export function openKinds(deps: KindDeps): Kinds {
  return [exportKind(deps), previewKind(deps), importKind(deps)];
}

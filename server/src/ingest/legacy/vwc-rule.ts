import type { OldDatabase } from "../../store/legacy/old-database.ts";
import type { Series, VwcRule } from "../../store/legacy/series.ts";
import { countVwcValues, type VwcValues } from "../../store/legacy/survey.ts";
import { isVwc } from "./streams.ts";

/** What a cell's volumetric water content stands in there, and what tells. */
export interface VwcDecision {
  readonly rule: VwcRule;
  readonly because: "told" | "decided_before" | "values";
  readonly values: VwcValues;
}

/**
 * Decides what a cell's volumetric water content stands in, for the cell as a whole: fractions where no value is over 1,
 * percent where no positive one is below. Nodes that got newer firmware left both: there, each value has to tell for
 * itself, as the old dashboard let it and as uploads do.
 *
 * @returns undefined where the cell has none
 */
export async function decideVwcRule(
  old: OldDatabase,
  series: readonly Series[],
  { told, before }: { readonly told: VwcRule | undefined; readonly before: VwcRule | null },
): Promise<VwcDecision | undefined> {
  const values = await countVwcValues(old, series.filter(isVwc));
  if (values.all === 0) return undefined;
  if (before) return { rule: before, because: "decided_before", values };
  if (told) return { rule: told, because: "told", values };
  return { rule: ruleOf(values), because: "values", values };
}

function ruleOf({ upToOne, overOne }: VwcValues): VwcRule {
  if (overOne === 0) return "fraction";
  return upToOne === 0 ? "percent" : "each";
}

/** The series of a cell, those of volumetric water content with the rule by which they become percent. */
export function withVwcRule(series: readonly Series[], rule: VwcRule): Series[] {
  return series.map((one) => (isVwc(one) ? { ...one, vwcRule: rule } : one));
}

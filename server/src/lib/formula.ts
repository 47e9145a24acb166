const beginsFormula = /^'*[=+\-@\t\r]/;
const isGuarded = /^'+[=+\-@\t\r]/;

/** A text that no spreadsheet takes for a formula: with an apostrophe before it, where one might. */
export function guardFormula(text: string): string {
  return beginsFormula.test(text) ? `'${text}` : text;
}

/** What was guarded, as it was. */
export function unguardFormula(text: string): string {
  return isGuarded.test(text) ? text.slice(1) : text;
}

/**
 * The fields of one line of CSV (RFC 4180, but that a field can't hold a line's end: in files of measurements
 * a quotation mark that is never closed is damage, which must not swallow the lines that follow).
 *
 * @param delimiter one character, no quotation mark
 * @returns undefined when quotation marks stand where they can't
 */
export function splitFields(line: string, delimiter = ","): string[] | undefined {
  return line.includes('"') ? splitQuoted(line, delimiter) : line.split(delimiter);
}

function splitQuoted(line: string, delimiter: string): string[] | undefined {
  const between = delimiter.replace(/[\\\]^-]/, "\\$&");
  const field = new RegExp(`(?:"((?:[^"]|"")*)"|([^"${between}]*))([${between}]|$)`, "y");
  const fields: string[] = [];
  for (;;) {
    const match = field.exec(line);
    if (!match) return undefined;
    const [, quoted, plain, end] = match;
    fields.push(quoted?.replaceAll('""', '"') ?? plain!);
    if (end === "") return fields;
  }
}

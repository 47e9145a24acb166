const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;

/**
 * The fields of one line of CSV (RFC 4180, but that a field can't hold a line's end: in files of measurements
 * a quotation mark that is never closed is damage, which must not swallow the lines that follow).
 *
 * @returns undefined when quotation marks stand where they can't
 */
export function splitFields(line: string): string[] | undefined {
  return line.includes('"') ? splitQuoted(line) : line.split(",");
}

function splitQuoted(line: string): string[] | undefined {
  const fields: string[] = [];
  field.lastIndex = 0;
  for (;;) {
    const match = field.exec(line);
    if (!match) return undefined;
    const [, quoted, plain, end] = match;
    fields.push(quoted?.replaceAll('""', '"') ?? plain!);
    if (end === "") return fields;
  }
}

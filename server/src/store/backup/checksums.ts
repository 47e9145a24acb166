import { createHash } from "node:crypto";
import type { TarFile } from "../../lib/tar.ts";

/** The checksums of files, as the program sha256sum writes and reads them. */
export class Checksums {
  readonly #lines: string[] = [];

  add({ name, body }: TarFile): void {
    this.#lines.push(`${createHash("sha256").update(body).digest("hex")}  ${name}\n`);
  }

  toString(): string {
    return this.#lines.join("");
  }
}

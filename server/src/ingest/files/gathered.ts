import type { NewReading } from "../../timeseries/write.ts";
import type { Part } from "./format.ts";
import type { BadRow, Fault } from "./row.ts";

/** What the rows of a part of a file come to. */
export class Gathered {
  readonly #readings: NewReading[] = [];
  readonly #lines: number[] = [];
  readonly #badRows: BadRow[] = [];
  #rows = 0;

  /** Adds a row: its readings, or why it has none. */
  add(line: number, read: readonly NewReading[] | Fault): void {
    this.#rows += 1;
    if ("reason" in read) return void this.#badRows.push({ line, reason: read.reason });
    for (const reading of read) {
      this.#readings.push(reading);
      this.#lines.push(line);
    }
  }

  /** @param bytes how much of the file has been read up to here */
  toPart(bytes: number, ignored: readonly string[] = []): Part {
    const badRows = this.#badRows.toSorted((a, b) => a.line - b.line);
    const [readings, lines, rows] = [this.#readings, this.#lines, this.#rows];
    return { readings, lines, rows, badRows, ignored, bytes };
  }
}

import type { ImportFormat, Mapping } from "@ents-backend/schemas/import";
import { defineError } from "../../lib/errors.ts";
import type { VwcUnit } from "../../store/loggers.ts";
import type { NewReading } from "../../timeseries/write.ts";
import type { Encoding } from "./encoding.ts";
import type { BadRow } from "./row.ts";
import type { StoredFile } from "./source.ts";

/** A kind of file that can be imported. */
export interface FileFormat {
  readonly name: ImportFormat;
  readonly title: string;
  /**
   * What VWC stands in: in percent, as here; in what the file's values show; in what the device is set to send, where
   * somebody has said so, else in what they show, each value for itself where they are of both kinds.
   */
  readonly vwc: "percent" | "as its values show" | "as its device sends";
  /** The error of a value that was printed with few digits: what is stored within it is the same value. */
  readonly printError: number;
  /** Whether it is given a file's text in UTF-8, whatever that was written in, or its bytes as they are. */
  readonly reads: "text" | "bytes";
  /** Whether a file that begins so is one. */
  recognises(head: Head): boolean;
  /**
   * Reads a file from its beginning, some thousand readings at a time at most.
   *
   * @throws KnownError when it isn't such a file, or says less than is needed
   */
  read(file: StoredFile, order: ReadOrder): AsyncIterable<Part>;
}

/** What a file begins with. */
export interface Head {
  readonly bytes: Uint8Array;
  /** Its first line that isn't empty; empty where the bytes are no text. */
  readonly firstLine: string;
  readonly encoding: Encoding;
}

/** What a file is read for. */
export interface ReadOrder {
  /** Where its readings go, whatever it says itself. */
  readonly cellId: number | undefined;
  readonly loggerId: number | undefined;
  /** Unix seconds: of readings that don't say when they came. */
  readonly receivedAt: number;
  readonly vwcUnit: VwcUnit | "each";
  readonly mapping: Mapping | undefined;
  readonly signal: AbortSignal;
}

/** Some of a file's readings, in order. */
export interface Part {
  readonly readings: readonly NewReading[];
  /** Of each reading, in which line it stands; in a file without lines, in which row. */
  readonly lines: readonly number[];
  /** Rows of measurements, the bad ones too. */
  readonly rows: number;
  readonly badRows: readonly BadRow[];
  /** Columns that are not read. */
  readonly ignored: readonly string[];
  /** How much of the file has been read up to here. */
  readonly bytes: number;
}

export const cellNeeded = defineError(
  "invalid",
  "cell_needed",
  "{file} doesn't say which cell was measured: name it (--cell on the command line, the field cell of an upload)",
);

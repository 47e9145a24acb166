import type { Line } from "../line.ts";

/** What a section is told. */
export interface Settings {
  readonly quick: boolean;
  readonly rows: number;
  /** Says how far it is. */
  readonly note: (text: string) => void;
}

/** Measures one thing that the product promises. */
export type Section = (settings: Settings) => Promise<Line[]>;

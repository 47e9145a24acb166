/** One line of the results: what was measured, against what, and what it should be. */
export interface Line {
  readonly section: string;
  readonly what: string;
  /** With its unit. */
  readonly ours: string;
  /** What it is compared with, with its unit. */
  readonly reference?: string;
  /** The figure that the target is about, where that isn't `ours`. */
  readonly ratio?: number;
  readonly target?: Target;
}

export interface Target {
  readonly bound: "at least" | "at most" | "below";
  readonly figure: number;
  readonly measured: number;
  readonly unit?: string;
}

const signs = { "at least": "≥", "at most": "≤", below: "<" } as const;

/** Whether the target is met; undefined where there is none. */
export function isMet({ target }: Line): boolean | undefined {
  if (!target) return undefined;
  const { bound, figure, measured } = target;
  if (bound === "at least") return measured >= figure;
  return bound === "at most" ? measured <= figure : measured < figure;
}

export function formatTarget({ bound, figure, unit }: Target): string {
  return `${signs[bound]} ${figure}${unit ? ` ${unit}` : ""}`;
}

/** Three digits, and no more zeros than it needs. */
export function round(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

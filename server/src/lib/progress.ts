import type { Clock } from "./clock.ts";

/** Where progress is shown: standard error, or what a test puts in its place. */
interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** How far a task has come. */
interface Reached {
  /** Counted things. */
  readonly count: number;
  readonly bytes: number;
}

interface ProgressOptions {
  readonly output: ProgressOutput;
  readonly clock: Clock;
  /** What is being done, as `Importing`. */
  readonly label: string;
  /** What is counted, as `rows`. */
  readonly unit: string;
  /** Undefined when nobody knows how much there is. */
  readonly totalBytes: number | undefined;
}

const redraw_s = 0.1;
const line_s = 5;
const clearLine = "\r\u001b[K";

/** Shows how far a task has come: as a bar on a terminal, elsewhere as a line every few seconds. */
export class ProgressBar {
  readonly #options: ProgressOptions;
  readonly #start: number;
  #shown: number;
  #drawn = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#start = options.clock();
    this.#shown = this.#start;
  }

  update(reached: Reached): void {
    const { output, clock } = this.#options;
    const now = clock();
    if (now - this.#shown < (output.isTTY ? redraw_s : line_s)) return;
    this.#shown = now;
    const text = describe(this.#options, reached, now - this.#start);
    if (!output.isTTY) return void output.write(`${text}\n`);
    output.write(clearLine + text.slice(0, (output.columns || 80) - 1));
    this.#drawn = true;
  }

  /** Writes a line of its own, above the bar. */
  print(text: string): void {
    this.clear();
    this.#options.output.write(`${text}\n`);
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.#drawn) this.#options.output.write(clearLine);
    this.#drawn = false;
  }
}

const barWidth = 20;

function describe(
  { label, unit, totalBytes }: ProgressOptions,
  { count, bytes }: Reached,
  seconds: number,
): string {
  const counted = `${count.toLocaleString("en")} ${unit}`;
  const rate = `${Math.round(count / seconds).toLocaleString("en")} ${unit}/s`;
  if (!totalBytes || bytes === 0) return [label, counted, rate].join("  ");
  const part = Math.min(1, bytes / totalBytes);
  const left = `${formatSeconds((seconds * (1 - part)) / part)} left`;
  return [`${label} ${formatPart(part)}`, counted, rate, left].join("  ");
}

function formatPart(part: number): string {
  const filled = Math.round(part * barWidth);
  const percent = `${Math.floor(part * 100)} %`.padStart(5);
  return `[${"#".repeat(filled)}${"-".repeat(barWidth - filled)}] ${percent}`;
}

/** `1:02:03`, or `02:03` below an hour. */
function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((n) => String(n).padStart(2, "0"));
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${parts.join(":")}` : parts.join(":");
}

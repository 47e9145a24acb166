import type { Stream } from "@ents-backend/schemas/sensor";

/** How simulated values run over time. The same signal has the same value at the same instant, always. */
export interface Signal {
  readonly shape: Shape;
  /** How long a sine wave or a ramp takes. */
  readonly period_s: number;
  readonly seed: number;
  /** Undefined: what is plausible for the stream. */
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/** Where in its period a stream is, and a number drawn for the instant: both from 0 up to, not including, 1. */
interface Instant {
  readonly turn: number;
  readonly draw: number;
}

/** Each shape answers where between the least value (0) and the greatest (1) a stream is. */
const heights = {
  sine: ({ turn }) => (1 + Math.sin(2 * Math.PI * turn)) / 2,
  random: ({ draw }) => draw,
  constant: () => 0.5,
  ramp: ({ turn }) => turn,
} as const satisfies Readonly<Record<string, (instant: Instant) => number>>;

export type Shape = keyof typeof heights;
export const shapes = Object.keys(heights) as Shape[];

type Range = readonly [least: number, greatest: number];

/** What a measurement lies between where its unit alone doesn't say. */
const rangesByMeasurement: Readonly<Record<string, Range>> = {
  "Matric Potential": [-500, -10],
  matricPot: [-500, -10],
  "Soil Tension": [5, 200],
  soilTension: [5, 200],
  Altitude: [10, 60],
  altitude: [10, 60],
};

const rangesByUnit: Readonly<Record<string, Range>> = {
  mV: [200, 900],
  uA: [20, 400],
  V: [0.2, 3],
  raw: [1900, 2900],
  "%": [15, 60],
  C: [8, 28],
  "uS/cm": [50, 900],
  kPa: [98, 104],
  hPa: [980, 1040],
  "L/min": [0, 20],
  "L/Min": [0, 20],
  "gal/min": [0, 8],
  "G/Min": [0, 8],
  gal: [0, 500],
  s: [0, 3600],
  m: [0.1, 4],
  "m/s": [0, 12],
  "degrees E of N": [0, 359],
  "pF/pF": [1, 10],
  Farads: [1e-11, 1e-9],
};

/** A sensor whose unit is new has values all the same. */
const anyRange: Range = [0, 100];

/**
 * The value of a cell's stream at an instant, in the stream's unit.
 *
 * @param ts Unix seconds
 */
export function valueAt(signal: Signal, cellId: number, stream: Stream, ts: number): number {
  const key = `${signal.seed} ${cellId} ${stream.name} ${stream.measurement}`;
  // Streams that ran in step would lie on top of each other in a chart.
  const turn = (ts / signal.period_s + drawFrom(key)) % 1;
  const height = heights[signal.shape]({ turn, draw: drawFrom(`${key} ${ts}`) });
  const [least, greatest] = rangeOf(signal, stream);
  return least + (greatest - least) * height;
}

function rangeOf({ min, max }: Signal, { measurement, unit }: Stream): Range {
  const plausible = rangesByMeasurement[measurement] ?? rangesByUnit[unit] ?? anyRange;
  return [
    min ?? Math.min(plausible[0], max ?? Infinity),
    max ?? Math.max(plausible[1], min ?? -Infinity),
  ];
}

/**
 * A number from 0 up to, not including, 1 that looks drawn at random, and is the same for the same text.
 *
 * Source: FNV-1a, 32 bits, with the finaliser of MurmurHash3 after it, for texts that differ in their last letter.
 */
function drawFrom(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

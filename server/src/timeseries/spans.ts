import { day_s, hour_s } from "../lib/duration.ts";
import type { Range } from "./resample.ts";

/** From an instant to another one, Unix seconds; the second one is part of it where it is closed. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly closed: boolean;
}

/** What each part of a range is read from: readings, or the rollup of its hours or days. */
export interface SpanPlan {
  readonly reading: readonly Span[];
  readonly hour: readonly Span[];
  readonly day: readonly Span[];
}

type Source = keyof SpanPlan;

interface PlanOptions {
  /** Starts of buckets, ascending: what lies to both sides of one must not come from one rollup. */
  readonly cuts?: readonly number[];
  /** Whether buckets begin at midnight UTC or at a cut, so that whole days may be taken together. */
  readonly days?: boolean;
  /** The starts of the days, UTC, that have readings, ascending: buckets that touch none of them are left out. */
  readonly only?: readonly number[] | undefined;
}

/**
 * Plans what to read of a range: its whole hours and days as rollups, the rest as readings. The spans are the
 * range, but for buckets that are left out, each instant once, in order within each source; those of rollups begin and end on their hours and days.
 */
export function planSpans(
  { start, end }: Range,
  { cuts = [], days = false, only }: PlanOptions = {},
): SpanPlan {
  const plan: Record<Source, Span[]> = { reading: [], hour: [], day: [] };
  if (start > end) return plan;
  const edges = [start, ...cuts.filter((cut) => cut > start && cut <= end), end];
  const touches = only ? inOrder(only) : () => true;
  edges.slice(1).forEach((to, at) => {
    if (touches(edges[at]!, to)) split(plan, edges[at]!, to, days);
  });
  // What comes after the last whole hour includes its end: at least that instant.
  const last = plan.reading.at(-1);
  if (last?.to === end) plan.reading[plan.reading.length - 1] = { ...last, closed: true };
  else plan.reading.push({ from: end, to: end, closed: true });
  return plan;
}

/** The starts of those buckets that touch one of some days, UTC, and of the ones behind them, where they end. */
export function keepTouching(starts: readonly number[], days: readonly number[]): number[] {
  const touches = inOrder(days);
  const isKept = starts.map((start, at) => touches(start, starts[at + 1] ?? Infinity));
  return starts.filter((_, at) => isKept[at] || isKept[at - 1]);
}

/** Whether what lies from one instant until before another one touches one of some days; to be asked in their order. */
function inOrder(days: readonly number[]): (from: number, to: number) => boolean {
  let at = 0;
  return (from, to) => {
    while (at < days.length && days[at]! + day_s <= from) at += 1;
    return at < days.length && days[at]! < to;
  };
}

/** Adds one piece without cuts inside: readings, hours, days, hours, readings, each where there are any. */
function split(plan: Record<Source, Span[]>, from: number, to: number, days: boolean): void {
  const [firstHour, lastHour] = whole(from, to, hour_s);
  const [firstDay, lastDay] = days ? whole(firstHour, lastHour, day_s) : [lastHour, lastHour];
  add(plan.reading, from, firstHour);
  add(plan.hour, firstHour, firstDay);
  add(plan.day, firstDay, lastDay);
  add(plan.hour, lastDay, lastHour);
  add(plan.reading, lastHour, to);
}

/** The whole units between two instants; where there is none, an empty span at the second one. */
function whole(from: number, to: number, unit_s: number): [first: number, last: number] {
  const first = Math.ceil(from / unit_s) * unit_s;
  const last = Math.floor(to / unit_s) * unit_s;
  return first < last ? [first, last] : [to, to];
}

/** Adds a span, as part of the one before it where they touch. */
function add(spans: Span[], from: number, to: number): void {
  if (from >= to) return;
  const before = spans.at(-1);
  if (before?.to === from) spans[spans.length - 1] = { ...before, to };
  else spans.push({ from, to, closed: false });
}

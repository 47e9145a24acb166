/**
 * The order that brings runs together into one, by their keys; what has the same key stays in the order of the runs.
 *
 * @param keys of all runs, one after the other, ascending within each
 * @param starts of the runs, the first one 0
 * @returns places in `keys`
 */
export function mergeRuns(keys: Float64Array, starts: readonly number[]): Uint32Array {
  let from = Uint32Array.from(keys, (_, at) => at);
  let into = new Uint32Array(keys.length);
  let edges = [...starts, keys.length];
  while (edges.length > 2) {
    const merged: number[] = [];
    for (let run = 0; run < edges.length - 1; run += 2) {
      const [start, middle] = [edges[run]!, edges[run + 1]!];
      mergeTwo(keys, from, into, [start, middle, edges[run + 2] ?? middle]);
      merged.push(start);
    }
    edges = [...merged, keys.length];
    [from, into] = [into, from];
  }
  return from;
}

function mergeTwo(
  keys: Float64Array,
  from: Uint32Array,
  into: Uint32Array,
  [start, middle, end]: readonly [number, number, number],
): void {
  let [left, right] = [start, middle];
  for (let to = start; to < end; to++) {
    const takesLeft = left < middle && (right >= end || keys[from[left]!]! <= keys[from[right]!]!);
    into[to] = takesLeft ? from[left++]! : from[right++]!;
  }
}

/** The value in the middle, or the mean of the two there. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2;
}

/**
 * Measures some things in turns, so that what else the machine does meets all of them alike.
 *
 * @returns the median of each
 */
export async function alternate<Name extends string>(
  rounds: number,
  sides: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Record<Name, number>> {
  const names = Object.keys(sides) as Name[];
  const measured = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++)
    for (const name of names) measured.get(name)!.push(await sides[name]());
  return Object.fromEntries(names.map((name) => [name, median(measured.get(name)!)])) as Record<
    Name,
    number
  >;
}

/** How long something takes, in ms. */
export async function time(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** The same, several times over after one that doesn't count: the median. */
export async function medianTime(times: number, run: () => Promise<unknown>): Promise<number> {
  await run();
  const taken: number[] = [];
  for (let nth = 0; nth < times; nth++) taken.push(await time(run));
  return median(taken);
}

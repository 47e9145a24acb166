/** Thrown when something takes longer than it may; it goes on all the same. */
export class Late extends Error {
  override readonly name = "Late";
}

/**
 * Waits for something, but not longer than that.
 *
 * @throws Late
 */
export async function deadline<Result>(limit_ms: number, act: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Late(`took longer than ${limit_ms} ms`)), limit_ms);
  });
  try {
    return await Promise.race([act, late]);
  } finally {
    clearTimeout(timer);
  }
}

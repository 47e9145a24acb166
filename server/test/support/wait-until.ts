const patience_ms = 20_000;

/** Looks again and again, until something is so. @throws Error when it isn't in time */
export async function waitUntil(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const due_ms = performance.now() + patience_ms;
  while (!(await isSo())) {
    if (performance.now() > due_ms) throw new Error("it didn't become so in time");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

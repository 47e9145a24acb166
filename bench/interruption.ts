const interruption = Promise.withResolvers<never>();
// Nobody may be waiting at that moment.
interruption.promise.catch(() => undefined);

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => interruption.reject(new Error("interrupted")));

/** Waits for a measurement, or until somebody has had enough: then what was started can still be stopped. */
export async function orInterrupted<T>(measurement: Promise<T>): Promise<T> {
  return await Promise.race([measurement, interruption.promise]);
}

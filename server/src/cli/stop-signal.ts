const impatience_ms = 2000;

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/**
 * Waits for Ctrl-C or a service manager, and answers which signal it was. A terminal's signal comes twice, from it and from npm; one that comes much
 * later is from someone who has lost patience, and ends the process at once.
 */
export function stopSignal(
  signals: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"],
): Promise<StopSignal> {
  return new Promise((resolve) => {
    let first_ms: number | undefined;
    for (const signal of signals)
      process.on(signal, () => {
        const now_ms = performance.now();
        first_ms ??= now_ms;
        if (now_ms - first_ms > impatience_ms) process.exit(1);
        resolve(signal);
      });
  });
}

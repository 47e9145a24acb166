/** The exit status of what a signal stopped. Source: POSIX shells, 128 and the number of SIGINT. */
export const interrupted = 130;

/** The first signal stops in good order; a second one ends the process at once, as signals do. */
export function onceSignalled(stop: () => void): () => void {
  const signals = ["SIGINT", "SIGTERM"] as const;
  const listener = () => {
    unlisten();
    stop();
  };
  const unlisten = () => signals.forEach((signal) => process.off(signal, listener));
  for (const signal of signals) process.on(signal, listener);
  return unlisten;
}

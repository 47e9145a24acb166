import { setTimeout as sleep } from "node:timers/promises";

/** Waits until a server that listens has its database too. */
export async function untilReady(url: string, patience_ms = 30_000): Promise<void> {
  for (const deadline = Date.now() + patience_ms; Date.now() < deadline; await sleep(20)) {
    const isReady = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
  }
  throw new Error("the server's database isn't ready");
}

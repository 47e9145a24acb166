import { addCounts, type Snapshot } from "../metrics.ts";

/** What processes have counted: the living as they last said, and those that are gone, so that no count falls back. */
export class Tally<Process> {
  readonly #latest = new Map<Process, Snapshot>();
  #gone: readonly Snapshot[] = [];

  note(process: Process, snapshot: Snapshot): void {
    this.#latest.set(process, snapshot);
  }

  /** To be called once a process is gone. */
  retire(process: Process): void {
    const last = this.#latest.get(process);
    if (!last) return;
    this.#latest.delete(process);
    this.#gone = [...this.#gone, last];
  }

  async read(): Promise<readonly Snapshot[]> {
    const gone = this.#gone;
    const counts = await addCounts(gone);
    // Another one may have gone meanwhile.
    this.#gone = [counts, ...this.#gone.filter((snapshot) => !gone.includes(snapshot))];
    return [...this.#latest.values(), ...this.#gone];
  }
}

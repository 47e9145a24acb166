import { Notes, type Note } from "../lib/others.ts";

/** Tells processes what the others count, and takes back what was had by one that is gone. */
export class Relay<Process extends object> {
  readonly #tell: (process: Process, notes: readonly Note[]) => void;
  /** What each of them has. */
  readonly #had = new Map<Process, Notes>();

  constructor(tell: (process: Process, notes: readonly Note[]) => void) {
    this.#tell = tell;
  }

  /** To be called when a process begins to serve. */
  add(process: Process): void {
    for (const notes of this.#had.values()) this.#tell(process, notes.list());
    this.#had.set(process, new Notes());
  }

  pass(from: Process, notes: readonly Note[]): void {
    const had = this.#had.get(from);
    for (const note of notes) if (note.kind === "seats") had?.add(note);
    this.#tellOthers(from, notes);
  }

  /** To be called when a process is gone. */
  remove(process: Process): void {
    const notes = this.#had.get(process)?.list() ?? [];
    this.#had.delete(process);
    const returned = notes.map((note) => ({ ...note, count: -note.count }));
    this.#tellOthers(process, returned);
  }

  #tellOthers(from: Process, notes: readonly Note[]): void {
    if (notes.length === 0) return;
    for (const process of this.#had.keys()) if (process !== from) this.#tell(process, notes);
  }
}

/** Something that was counted in one process. */
export interface Note {
  /** What was counted: requests, which are forgotten after a while, or what is had, and given back as less than none. */
  readonly kind: "requests" | "seats";
  readonly name: string;
  readonly count: number;
}

/** The other processes of the same server: they are told what is counted here, a moment later, and tell what they count. */
export interface Others {
  note(note: Note): void;
  onNote(hear: (note: Note) => void): void;
}

/** Adds up what is noted of the same. */
export class Notes {
  readonly #counts = new Map<string, Note>();

  get size(): number {
    return this.#counts.size;
  }

  add({ kind, name, count }: Note): void {
    const key = `${kind} ${name}`;
    const sum = (this.#counts.get(key)?.count ?? 0) + count;
    if (sum === 0) this.#counts.delete(key);
    else this.#counts.set(key, { kind, name, count: sum });
  }

  list(): Note[] {
    return [...this.#counts.values()];
  }

  /** Lists them, and begins anew. */
  take(): Note[] {
    const notes = this.list();
    this.#counts.clear();
    return notes;
  }
}

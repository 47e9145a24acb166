/**
 * Uploads that broke the database whenever they were given to it. Whether that is their fault shows when it has taken
 * others meanwhile.
 */
export class Suspects {
  /** How often it has taken uploads. */
  #taken = 0;
  /** By an upload's id, how often that was when it broke the database first. */
  readonly #before = new Map<string, number>();

  /** To be called when the database has taken uploads. */
  noteTaken(): void {
    this.#taken += 1;
  }

  /**
   * Notes uploads that broke it just now.
   *
   * @returns whether it has taken others since one of them did so first
   */
  accuse(ids: readonly string[]): boolean {
    for (const id of ids) if (!this.#before.has(id)) this.#before.set(id, this.#taken);
    return ids.some((id) => this.#before.get(id)! < this.#taken);
  }

  /** Forgets uploads, since they have their place. */
  drop(ids: readonly string[]): void {
    for (const id of ids) this.#before.delete(id);
  }
}

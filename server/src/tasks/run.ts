import type { Db } from "../db/connect.ts";
import { leaveRoom, watchRoom, type KeepRoom } from "../lib/disk.ts";
import { deleteFile, writeFile, type StoredFile } from "../store/files.ts";
import type { Beat, ClaimedTask } from "../store/task-claims.ts";
import type { Asker, Work } from "./kind.ts";

/** Why a run is to end before it is done. */
type Interruption = "lost" | "stopping";

/** What is being written when its run ends goes in any case. */
const unfinished_s = 7 * 24 * 3600;

export interface RunOptions {
  readonly db: Db;
  /** A directory on the database's disk, where that is this machine's: what tasks make leaves room on it. */
  readonly diskOf?: string | undefined;
}

/** One run of a task by this worker: what its kind works with, and what the worker knows of it. */
export class Run implements Work {
  readonly taskId: string;
  readonly asker: Asker;
  readonly keepRoom: KeepRoom;
  readonly #options: RunOptions;
  readonly #task: ClaimedTask;
  readonly #stop = new AbortController();
  #interruption: Interruption | undefined;
  #progress = 0;
  #doing: string | null = null;
  #file: StoredFile | undefined;
  #ended = false;

  constructor(options: RunOptions, task: ClaimedTask) {
    this.#options = options;
    this.#task = task;
    this.taskId = task.id;
    this.keepRoom = watchRoom(options.diskOf);
    this.asker = { userId: task.account_id ?? undefined, admin: task.admin };
  }

  get isOver(): boolean {
    return this.#ended || this.#interruption !== undefined;
  }

  get task(): ClaimedTask {
    return this.#task;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get interruption(): Interruption | undefined {
    return this.#interruption;
  }

  /** The result's file, once there is one. */
  get file(): StoredFile | undefined {
    return this.#file;
  }

  report(fraction: number, doing: string): void {
    this.#progress = Math.min(1, Math.max(0, fraction || 0));
    this.#doing = doing;
  }

  /** How far it has come. */
  beat(): Beat {
    const { id, attempts } = this.#task;
    return { id, attempts, progress: this.#progress, doing: this.#doing };
  }

  async writeFile(
    { name, mediaType }: { readonly name: string; readonly mediaType: string },
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<StoredFile> {
    const { id: taskId, account_id: accountId, origin, max_bytes } = this.#task;
    const whose = { accountId, origin, taskId, keep_s: unfinished_s, max_bytes };
    const file = { name, mediaType, ...whose };
    const { db, diskOf } = this.#options;
    this.#file = await writeFile(db, file, leaveRoom(chunks, diskOf), this.signal);
    return this.#file;
  }

  /** What comes from now on doesn't interrupt it any more. @throws the signal's reason, where something has before */
  end(): void {
    this.#stop.signal.throwIfAborted();
    this.#ended = true;
  }

  interrupt(why: Interruption): void {
    if (this.#ended) return;
    this.#interruption ??= why;
    this.#stop.abort(new Error(`the run is interrupted: ${why}`));
  }

  /** Nobody is to have what it has made. */
  async discardFile(): Promise<void> {
    if (this.#file) await deleteFile(this.#options.db, this.#file.id);
  }
}

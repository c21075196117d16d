/**
 * The rotation queue as its users see it. A change resolves when it is durable, and rejects with the
 * queue as it was. Open it with `openIntentQueue` (open-intent-queue.ts).
 *
 * A step of an intent is written down before it is taken, so that whoever resumes it after a power cut
 * knows what may have happened already. What a handler does must bear being done twice.
 *
 * When the disk fails, the change that met the fault is rejected; those that follow are kept in memory,
 * `health` says so, and everything is written as soon as the disk can be written again.
 */
import type { Intent, NewIntent, StoreObject } from "./intent.ts";

export interface IntentQueue extends AsyncDisposable {
  readonly epoch: string;
  readonly health: QueueHealth;
  readonly wear: QueueWear;

  /**
   * Adds an intent, or returns the one that is there already under (device, epoch, kind, generation),
   * whatever became of it. A newer generation supersedes the older ones of its kind; an older one comes
   * back as `superseded` and is not added.
   *
   * When the queue is full the oldest report gives way, and never anything else.
   *
   * @throws AgentError `ERR_QUEUE_FULL` when there is no report to give way; `ERR_QUEUE_CONTENT`;
   *   `ERR_QUEUE_IO`, `ERR_QUEUE_CLOSED`.
   */
  add(wish: NewIntent): Promise<Intent>;
  /** What may be attempted now, most important first. */
  due(nowMs: number): readonly Intent[];
  /** Everything that waits or runs, and the last of each kind that has ended; oldest first. */
  list(): readonly Intent[];
  find(id: string): Intent | undefined;

  /**
   * Begins an attempt with its first step, or resumes at one; to be called before the step is taken.
   *
   * @param step A word or two: `request`, `make-key`.
   * @throws AgentError `ERR_QUEUE_UNKNOWN`; `ERR_QUEUE_SEQUENCE` when it has ended (superseded, say).
   */
  begin(id: string, step: string): Promise<Intent>;
  /**
   * To be called before the next step of a running attempt is taken.
   *
   * @param object What it works on from now on; default as before.
   */
  advance(id: string, step: string, object?: StoreObject): Promise<Intent>;
  /**
   * The attempt failed and is made again later, by full-jitter back-off with a cap.
   *
   * @param error Of an `AgentError` code and message are kept, of anything else nothing.
   * @param retryAfterMs Not earlier than that; honoured up to the cap.
   */
  fail(id: string, error: unknown, retryAfterMs?: number): Promise<Intent>;
  /** It fails for good: nothing but {@link retry} tries it again. */
  giveUp(id: string, error: unknown): Promise<Intent>;
  finish(id: string): Promise<Intent>;

  /**
   * Makes it due at once with its attempts at 0, also one that failed for good. One that runs goes on; if its
   * process has ended, it is resumed at once.
   */
  retry(id: string): Promise<Intent>;
  /** Takes it out of the queue; an attempt under way is told to stop. Resolves with what it was. */
  drop(id: string): Promise<Intent>;

  /** Calls `listener` after each change; returns the function that ends it. */
  onChange(listener: (change: IntentChange) => void): () => void;
}

export interface IntentChange {
  readonly what: "added" | "begun" | "advanced" | "failed" | "ended" | "retried" | "dropped";
  /** As it is now; as it was when it was dropped. */
  readonly intent: Intent;
}

export interface QueueHealth {
  /** `false` while changes are kept in memory only. */
  readonly durable: boolean;
  /** Why, in words. */
  readonly fault: string | undefined;
  /** What was repaired or given up when it was opened, in words. */
  readonly healed: readonly string[];
}

export interface QueueWear {
  /** Since it was opened; bytes as handed to the file system, which adds its own. */
  readonly bytesWritten: number;
  readonly syncs: number;
  readonly operations: number;
}

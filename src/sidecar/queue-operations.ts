/**
 * What can be asked of the rotation queue: of a running agent over the control socket, or of the queue
 * itself while no agent runs. Both answer the same. Times `…At` are Unix milliseconds; what is not
 * there is `null`, so that every entry has every member.
 */
import type { Hold } from "../queue/handlers.ts";
import type { IntentKind, IntentState } from "../queue/intent.ts";

export interface QueueEntryView {
  /** `KIND-GENERATION`. */
  readonly id: string;
  readonly kind: IntentKind;
  readonly generation: number;
  readonly state: IntentState;
  /** What is about to be done. */
  readonly step: string | null;
  /** Name of what it works on in the certificate store. */
  readonly object: string | null;
  readonly attempts: number;
  /** `null` when it has ended. */
  readonly nextAttemptAt: number | null;
  /** Why it is not attempted though its own pause is over; `null` when nothing is in its way. */
  readonly heldBy: Hold["by"] | null;
  /** When that ends by the clock of the device; `null` when nobody can tell. */
  readonly heldUntil: number | null;
  /** Code and sentence. */
  readonly lastError: string | null;
  readonly createdAt: number;
}

export interface QueueCountView {
  readonly kind: IntentKind;
  readonly state: IntentState;
  readonly count: number;
}

/** In short, for `status`. */
export interface QueueView {
  readonly waiting: number;
  readonly running: number;
  /** For good. */
  readonly failed: number;
  /** Everything that the queue holds, what has ended included; kinds and states without any are left out. */
  readonly byKind: readonly QueueCountView[];
  /** How long ago the oldest that waits was put in, by the clock of the device; `null` without one. */
  readonly oldestWaitingMs: number | null;
  /** `false` while changes are kept in memory only. */
  readonly durable: boolean;
  /** Why. */
  readonly fault: string | null;
  /** What was repaired or given up when it was opened, in words. */
  readonly healed: readonly string[];
  /** Since the start. */
  readonly attempts: {
    readonly begun: number;
    readonly succeeded: number;
    readonly failed: number;
    /** Connections that were opened, whatever for, and names that could not be resolved. */
    readonly connections: number;
  };
  readonly wear: {
    readonly bytesWritten: number;
    readonly syncs: number;
    readonly operations: number;
  };
}

export interface QueueListView {
  /** What waits and runs, and of each kind the last that has ended; oldest first. */
  readonly entries: readonly QueueEntryView[];
  readonly durable: boolean;
  readonly fault: string | null;
  /** What was found damaged when it was opened, and given up; sentences. */
  readonly healed: readonly string[];
}

export interface QueueOperations {
  list(): Promise<QueueListView>;
  /**
   * Makes an intent due at once, also one that failed for good.
   *
   * @throws AgentError `ERR_QUEUE_UNKNOWN`, `ERR_QUEUE_SEQUENCE`, `ERR_QUEUE_IO`.
   */
  retry(id: string): Promise<QueueEntryView>;
  /** Takes an intent out. @throws AgentError `ERR_QUEUE_UNKNOWN`, `ERR_QUEUE_IO`. */
  drop(id: string): Promise<QueueEntryView>;
}

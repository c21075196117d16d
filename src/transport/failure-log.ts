/**
 * Writes each failure once per peer and cause, however often it comes back: a bounded table whose
 * rows expire, so that a failure that lasts is told again, with how often it was left out.
 */
import type { LogEvent, LogFields, Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";

export interface FailureLogOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Rows; when all are fresh, further peers are counted but not written. */
  readonly maxRows?: number;
  /** After this a row counts as new. */
  readonly repeatMs?: number;
}

interface Row {
  /** Monotonic milliseconds. */
  readonly writtenAt: number;
  suppressed: number;
}

const MAX_ROWS = 256;
const REPEAT_MS = 10 * 60_000;

export class FailureLog {
  readonly #options: FailureLogOptions;
  readonly #rows = new Map<string, Row>();
  #dropped = 0;

  constructor(options: FailureLogOptions) {
    this.#options = options;
  }

  /** Writes the event unless this peer had this cause lately. Returns whether it was written. */
  emit(event: LogEvent, peer: string, cause: string, fields: LogFields): boolean {
    const now = this.#options.clock.monotonicMs();
    const key = `${event} ${cause} ${peer}`;
    const row = this.#rows.get(key);
    if (row !== undefined && now - row.writtenAt < (this.#options.repeatMs ?? REPEAT_MS)) {
      row.suppressed += 1;
      return false;
    }
    // Deleted and set again: the map stays in order of writing, oldest first.
    this.#rows.delete(key);
    if (!this.#makeRoom(now)) {
      this.#dropped += 1;
      return false;
    }
    this.#rows.set(key, { writtenAt: now, suppressed: 0 });
    const suppressed = row === undefined || row.suppressed === 0 ? undefined : row.suppressed;
    const dropped = this.#dropped === 0 ? undefined : this.#dropped;
    this.#dropped = 0;
    this.#options.log.emit(event, { ...fields, cause, suppressed, other_peers_left_out: dropped });
    return true;
  }

  #makeRoom(now: number): boolean {
    if (this.#rows.size < (this.#options.maxRows ?? MAX_ROWS)) return true;
    const [oldest] = this.#rows;
    if (oldest === undefined) return true;
    const [key, { writtenAt }] = oldest;
    if (now - writtenAt < (this.#options.repeatMs ?? REPEAT_MS)) return false;
    this.#rows.delete(key);
    return true;
  }
}

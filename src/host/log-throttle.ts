/**
 * Collapses repeats: a token bucket per event. Logs are flash writes, and a peer that fails ten times
 * a second must not wear the device out or hide what else happens.
 */

export interface ThrottleOptions {
  /** Lines of one event that may come at once. */
  readonly burst: number;
  /** After the burst, one line of the event per this span. */
  readonly refillMs: number;
}

interface Bucket {
  tokens: number;
  /** Monotonic milliseconds of the last refill. */
  filledAt: number;
  suppressed: number;
}

export class LogThrottle {
  readonly #options: ThrottleOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: ThrottleOptions) {
    this.#options = options;
  }

  /** Whether a line of `event` may be written now; if not, it is counted. Events are a closed table. */
  admit(event: string, nowMs: number): boolean {
    const { burst, refillMs } = this.#options;
    const bucket = this.#buckets.get(event) ?? { tokens: burst, filledAt: nowMs, suppressed: 0 };
    this.#buckets.set(event, bucket);
    const gained = Math.floor((nowMs - bucket.filledAt) / refillMs);
    if (gained > 0) {
      bucket.tokens = Math.min(burst, bucket.tokens + gained);
      bucket.filledAt += gained * refillMs;
    }
    if (bucket.tokens > 0) {
      bucket.tokens -= 1;
      return true;
    }
    bucket.suppressed += 1;
    return false;
  }

  /** What was left out of `event` since the last call; zero if nothing. */
  takeSuppressed(event: string): number {
    const bucket = this.#buckets.get(event);
    const count = bucket?.suppressed ?? 0;
    if (bucket !== undefined) bucket.suppressed = 0;
    return count;
  }

  /** Events of which something was left out. */
  suppressedEvents(): readonly string[] {
    return [...this.#buckets].flatMap(([event, bucket]) => (bucket.suppressed > 0 ? [event] : []));
  }
}

/**
 * How often the device may try to reach anybody: one budget for all outgoing work, so that several
 * clients of one process don't make a storm where each of them behaves (RPC, MQTT, CA).
 *
 * An attempt needs a token; tokens come back slowly, and the last ones are for renewal alone. After a
 * failure comes a pause: full-jitter exponential back-off, kept apart for renewal, so that a broker
 * that is gone for weeks doesn't hold it up. An attempt that succeeds does not end the back-off; a
 * minute without a failure does: a peer that lets one in and throws one out again is as good as down.
 * After power-up the first attempt waits up to a minute, each device its own time, for a street of
 * devices has its power back in the same second.
 *
 * Waits go by the monotonic clock; only what outlives a restart is kept in wall-clock time.
 */
import { createHash } from "node:crypto";
import { type BackoffPolicy, backoffMs } from "../base/backoff.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import type { Hold } from "./handlers.ts";
import { leftMs, MAX_WAIT_MS, type SavedAttempts, type SavedLane } from "./saved-attempts.ts";

/** `renewal`: what the identity hangs on and somebody is called for (renew, re-key). */
export type Work = "renewal" | "other";

export interface AttemptBudgetOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Anything that differs between devices: decides when after power-up this one begins. */
  readonly device: string;
  /** Since the boot; default none, as if it had been just now. Milliseconds. */
  readonly sinceBootMs?: number | undefined;
  readonly saved?: SavedAttempts | undefined;
  readonly policy?: Partial<AttemptPolicy>;
}

export interface AttemptPolicy extends BackoffPolicy {
  /** Attempts that may be made at once. */
  readonly burst: number;
  /** Of these, how many only renewal may take. */
  readonly reserved: number;
  /** Until one comes back. */
  readonly refillMs: number;
  /** Without a failure, so long after a success, the back-off begins anew. */
  readonly stableMs: number;
  /** After power-up the first attempt waits up to so long. */
  readonly spreadMs: number;
}

export const ATTEMPT_POLICY: AttemptPolicy = {
  baseMs: 1_000,
  capMs: MAX_WAIT_MS,
  burst: 30,
  reserved: 5,
  refillMs: 2_000,
  stableMs: 60_000,
  spreadMs: 60_000,
};

/** One that was taken; when it has an outcome, one of these is to be called, once. */
export interface Attempt {
  succeeded(): void;
  /**
   * @param retryAfterMs What the other side asked for (RFC 9110, section 10.2.3); honoured up to the cap.
   * @returns The pause that follows, milliseconds.
   */
  failed(retryAfterMs?: number): number;
}

interface Lane {
  failures: number;
  notBefore: number;
  /** When the first success since the last failure was; monotonic ms. */
  goodSince: number | undefined;
}

export class AttemptBudget {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #policy: AttemptPolicy;
  readonly #lanes: Readonly<Record<Work, Lane>>;
  /** Nobody begins before; monotonic ms. */
  readonly #spreadUntil: number;
  #tokens: number;
  #countedAt: number;
  #spent = 0;

  constructor({
    clock,
    random,
    device,
    sinceBootMs = 0,
    saved,
    policy = {},
  }: AttemptBudgetOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#policy = { ...ATTEMPT_POLICY, ...policy };
    const now = clock.monotonicMs();
    this.#tokens = this.#policy.burst;
    this.#countedAt = now;
    this.#spreadUntil = now + Math.max(0, spreadOf(device, this.#policy.spreadMs) - sinceBootMs);
    const lane = (found: SavedLane | undefined): Lane => ({
      failures: found?.failures ?? 0,
      notBefore:
        now +
        (found === undefined ? 0 : leftMs(found.notBeforeAt, clock.now(), this.#policy.capMs)),
      goodSince: undefined,
    });
    this.#lanes = { renewal: lane(saved?.renewal), other: lane(saved?.other) };
  }

  /** How long until an attempt may be made; 0 when it may be made now. Milliseconds. */
  waitMs(work: Work): number {
    return this.hold(work)?.forMs ?? 0;
  }

  /** What is waited for longest; `undefined` when an attempt may be made now. */
  hold(work: Work): (Hold & { readonly forMs: number }) | undefined {
    this.#refill();
    const now = this.#clock.monotonicMs();
    this.#settle(this.#lanes[work], now);
    const missing = this.#missing(work);
    const untilToken = missing <= 0 ? 0 : this.#countedAt + missing * this.#policy.refillMs - now;
    const waits = [
      { by: "power-up", forMs: Math.ceil(this.#spreadUntil - now) },
      { by: "back-off", forMs: Math.ceil(this.#lanes[work].notBefore - now) },
      { by: "tokens", forMs: Math.ceil(untilToken) },
    ] as const;
    return waits.filter(({ forMs }) => forMs > 0).toSorted((a, b) => b.forMs - a.forMs)[0];
  }

  /**
   * Takes an attempt; `undefined` when {@link waitMs} says to wait.
   *
   * @param urgent Somebody asks for it now: only a token is needed.
   */
  take(work: Work, urgent = false): Attempt | undefined {
    this.#refill();
    if (urgent ? this.#missing(work) > 0 : this.waitMs(work) > 0) return undefined;
    this.#tokens -= 1;
    const lane = this.#lanes[work];
    return {
      succeeded: () => {
        lane.goodSince ??= this.#clock.monotonicMs();
      },
      failed: (retryAfterMs = 0) => this.#failed(lane, retryAfterMs),
    };
  }

  /**
   * A connection that is opened in any case, since a caller waits for it or an attempt is under way: it
   * counts, so that what can wait does: one attempt at a time instead of many. What is reserved for renewal
   * it leaves, and that one, or an app that calls in a loop would keep lists and reports waiting for ever.
   */
  spend(): void {
    this.#spent += 1;
    this.#refill();
    if (this.#tokens > this.#policy.reserved + 1) this.#tokens -= 1;
  }

  /** How often {@link spend} was called: every connection that was opened, or given up for want of an address. */
  get spent(): number {
    return this.#spent;
  }

  /**
   * There is a network again: what can wait may be attempted now. The failures are not forgotten, so the
   * next one rests as long as ever. Renewal keeps its own pauses, for the authority's sake.
   */
  comeBack(): void {
    const { other } = this.#lanes;
    other.notBefore = Math.min(other.notBefore, this.#clock.monotonicMs());
  }

  /** What outlives a restart. */
  save(): SavedAttempts {
    const now = this.#clock.monotonicMs();
    const lane = (lane: Lane): SavedLane => {
      this.#settle(lane, now);
      const leftMs = Math.max(0, lane.notBefore - now);
      return { failures: lane.failures, notBeforeAt: Math.round(this.#clock.now() + leftMs) };
    };
    return { renewal: lane(this.#lanes.renewal), other: lane(this.#lanes.other) };
  }

  /** Tokens that have to come back before one can be taken; the last ones are for renewal. */
  #missing(work: Work): number {
    return 1 + (work === "renewal" ? 0 : this.#policy.reserved) - this.#tokens;
  }

  #failed(lane: Lane, retryAfterMs: number): number {
    const { capMs } = this.#policy;
    const now = this.#clock.monotonicMs();
    this.#settle(lane, now);
    lane.goodSince = undefined;
    lane.failures += 1;
    const pauseMs = pauseAfter(this.#policy, lane.failures, this.#random.draw(), retryAfterMs);
    lane.notBefore = Math.max(Math.min(lane.notBefore, now + capMs), now + pauseMs);
    return pauseMs;
  }

  /** A minute that went well ends the back-off, and a pause that an attempt on demand has jumped. */
  #settle(lane: Lane, now: number): void {
    if (lane.goodSince === undefined || now - lane.goodSince < this.#policy.stableMs) return;
    lane.failures = 0;
    lane.notBefore = Math.min(lane.notBefore, now);
  }

  #refill(): void {
    const { burst, refillMs } = this.#policy;
    const now = this.#clock.monotonicMs();
    const back = Math.floor((now - this.#countedAt) / refillMs);
    if (back <= 0) return;
    this.#tokens = Math.min(burst, this.#tokens + back);
    this.#countedAt += back * refillMs;
  }
}

/**
 * The pause after so many failures in a row, milliseconds.
 *
 * @param draw Uniform in [0, 1).
 * @param retryAfterMs What the other side asked for; anything that is no number of ours counts as 0.
 */
export function pauseAfter(
  policy: BackoffPolicy,
  failures: number,
  draw: number,
  retryAfterMs = 0,
): number {
  const asked = retryAfterMs > 0 ? Math.min(Math.ceil(retryAfterMs), policy.capMs) : 0;
  return Math.max(asked, backoffMs(policy, failures, draw));
}

/** The same for a device at every start, evenly over all devices. */
function spreadOf(device: string, spreadMs: number): number {
  const share = createHash("sha256").update(`spread ${device}`).digest().readUInt32BE(0) / 2 ** 32;
  return Math.floor(share * spreadMs);
}

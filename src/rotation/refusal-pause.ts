/**
 * How long the authority is left in peace after a refusal that only an operator can change: from half an hour
 * up to six hours, longer each time it says the same. The queue's own pauses end after 30 minutes, and
 * have to, as they are written down by a clock that may be wrong; this one goes by the monotonic clock, and
 * is kept in a note so that a restart neither begins it anew nor ends it.
 *
 * It is over at once when something changes: another certificate, another authority, a configuration that
 * is read again, a clock that is set. Somebody who asks is never held up.
 */
import * as v from "valibot";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { QuietNote } from "./quiet-note.ts";
import { MAX_RETRY_MS } from "./renewal-policy.ts";

export const REFUSAL_NOTE = "renewal-refused";
/** An authority that was corrected is asked again within as long, by everybody who still asks. */
export const MAX_REFUSAL_MS = 6 * 3_600_000;

export interface RefusalPauseOptions {
  readonly store: Pick<CertificateStore, "readNote" | "writeNote" | "dropNote">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Refusal {
  /** What was refused, and by whom; another one begins anew, as does another reason. */
  readonly subject: string;
  readonly reason: string;
  /** In a row. */
  readonly times: number;
  readonly pauseMs: number;
  /** Unix ms of a clock that may be wrong. */
  readonly untilAt: number;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const shape = v.object({
  ...{ subject: v.string(), reason: v.string(), times: count, untilAt: count },
  pauseMs: v.pipe(count, v.maxValue(MAX_REFUSAL_MS)),
});

/**
 * Half of it at least: a full jitter could ask at once what only an operator can change.
 *
 * @param draw Uniform in [0, 1).
 * @param mostMs What the rest of the certificate's life allows.
 */
export function refusalPauseMs(times: number, draw: number, mostMs: number): number {
  const bound = Math.min(MAX_REFUSAL_MS, MAX_RETRY_MS * 2 ** Math.max(0, times - 1));
  return Math.round(Math.min(mostMs, bound * (0.5 + 0.5 * draw)));
}

export class RefusalPause {
  readonly #options: RefusalPauseOptions;
  readonly #note: QuietNote<Refusal>;
  #last: Refusal | undefined;
  /** Monotonic ms. */
  #until = Number.NEGATIVE_INFINITY;

  constructor(options: RefusalPauseOptions) {
    this.#options = options;
    this.#note = new QuietNote(options, REFUSAL_NOTE, shape);
  }

  /** Takes up what a process before this one has left. Never rejects. */
  async recall(): Promise<void> {
    const { clock } = this.#options;
    this.#last = await this.#note.read();
    if (this.#last === undefined) return;
    const leftMs = this.#last.untilAt - clock.now();
    // Longer than it ever was: the clock was set since, and nobody knows what is left.
    const known = leftMs > 0 && leftMs <= this.#last.pauseMs;
    this.#until = known ? clock.monotonicMs() + leftMs : Number.NEGATIVE_INFINITY;
  }

  /** How long it goes on for this subject, ms; 0 when there is none. */
  leftMs(subject: string): number {
    if (this.#last?.subject !== subject) return 0;
    return Math.max(0, Math.ceil(this.#until - this.#options.clock.monotonicMs()));
  }

  /** Never rejects. @param reason Constant. @param mostMs See {@link refusalPauseMs}. */
  async refused(subject: string, reason: string, mostMs: number): Promise<void> {
    const { clock, random } = this.#options;
    const before = this.#last;
    const isSame = before?.subject === subject && before.reason === reason;
    const times = isSame ? before.times + 1 : 1;
    const pauseMs = refusalPauseMs(times, random.draw(), mostMs);
    const untilAt = Math.round(clock.now() + pauseMs);
    const last = { subject, reason, times, pauseMs, untilAt };
    this.#last = last;
    this.#until = clock.monotonicMs() + pauseMs;
    await this.#note.write(last);
  }

  /** Something has changed; when it is refused again all the same, the pause goes on growing. */
  lift(): void {
    this.#until = Number.NEGATIVE_INFINITY;
  }

  /** It was not refused. Never rejects. */
  async end(): Promise<void> {
    if (this.#last === undefined) return;
    this.#last = undefined;
    await this.#note.drop();
  }
}

/**
 * Watches how long certificates have left: our own leaf, our own intermediates and every authority of
 * the trust bundle. Each change of level is said once, and what is not good once a day.
 */
import type { Logger } from "../../base/log.ts";
import { type Clock, MAX_TIMER_MS, type Timer } from "../../host/clock.ts";
import { formatMoment } from "../span-words.ts";
import {
  type ExpiryLevel,
  type ExpiryReading,
  readExpiries,
  type WatchedCertificate,
} from "./expiry-reading.ts";
import type { JumpWatch } from "./jump-watch.ts";
import type { TimeView } from "./time-view.ts";

export interface ExpiryWatchOptions {
  /** What is in force at this moment. */
  readonly certificates: () => readonly WatchedCertificate[];
  readonly view: () => TimeView;
  readonly jumps: Pick<JumpWatch, "onJump" | "steadyMs">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What was said of one certificate, and when (steady ms). */
interface Told {
  readonly level: ExpiryLevel;
  readonly at: number;
}

const DAY_MS = 86_400_000;
/** A timer that fires a moment early must not cost a whole further hour. */
const EARLY_MS = 60_000;

export class ExpiryWatch implements Disposable {
  readonly #options: ExpiryWatchOptions;
  readonly #told = new Map<string, Told>();
  readonly #ends: (() => void)[];
  #unclearAt: number | undefined;
  #timer: Timer | undefined;

  constructor(options: ExpiryWatchOptions) {
    this.#options = options;
    this.#ends = [options.jumps.onJump(() => void this.look())];
  }

  /** Calls `end` when the watch ends. */
  endWith(end: () => void): void {
    this.#ends.push(end);
  }

  /** Looks now, and every hour from now on. */
  start(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.setTimer(MAX_TIMER_MS, () => this.start());
    this.look();
  }

  /** Looks now, says what has changed, and returns the figures, the worst first; to be called after each swap, too. */
  look(): readonly ExpiryReading[] {
    const { certificates, view, jumps, log } = this.#options;
    const time = view();
    const readings = readExpiries(certificates(), time);
    const steadyMs = jumps.steadyMs();
    for (const reading of readings) this.#tell(reading, steadyMs);
    const present = new Set(readings.map(keyOf));
    for (const key of this.#told.keys()) if (!present.has(key)) this.#told.delete(key);
    const unclear = readings.filter(({ level }) => level === "unclear").length;
    if (unclear === 0) this.#unclearAt = undefined;
    else if (isDue(this.#unclearAt, steadyMs)) {
      this.#unclearAt = steadyMs;
      // One line for all of them: it is the clock that has a fault, not each certificate.
      log.emit("certificate.expiry.unclear", { certificates: unclear, reason: time.words });
    }
    return readings;
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    for (const end of this.#ends.splice(0)) end();
  }

  #tell(reading: ExpiryReading, steadyMs: number): void {
    const { level } = reading;
    if (level === "unclear") return;
    const key = keyOf(reading);
    const before = this.#told.get(key);
    const changed = level !== (before?.level ?? "good");
    if (!changed && (level === "good" || !isDue(before?.at, steadyMs))) {
      if (before === undefined) this.#told.set(key, { level, at: steadyMs });
      return;
    }
    this.#told.set(key, { level, at: steadyMs });
    this.#options.log.emit(EVENT_OF[level], {
      role: reading.role,
      subject: reading.subject,
      serial: reading.serial,
      not_after: formatMoment(reading.notAfter),
      remaining_ms: reading.leftMs,
      reason: reading.words,
      fix: reading.fix,
    });
  }
}

const EVENT_OF = {
  good: "certificate.expiry.good",
  "not-yet-valid": "certificate.expiry.warning",
  warn: "certificate.expiry.warning",
  critical: "certificate.expiry.critical",
  expired: "certificate.expiry.critical",
} as const satisfies Partial<Record<ExpiryLevel, string>>;

function isDue(at: number | undefined, steadyMs: number): boolean {
  return at === undefined || steadyMs - at >= DAY_MS - EARLY_MS;
}

/** A root that stands in the chain and in the bundle is two things to renew. */
function keyOf({ role, fingerprint }: ExpiryReading): string {
  return `${role} ${fingerprint}`;
}

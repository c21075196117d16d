/**
 * What keeps a clock that is wrong anew at each boot from renewing at each boot. While nobody vouches for the
 * clock the device goes by it, or it would never renew; but each new certificate says how much time has really
 * passed since the one before: the authority dates both. After two renewals in a row that came long before any
 * rule makes them due, the next that the clock alone asks for waits until the device has been up for the least
 * spacing, counted over restarts, or has been started {@link BOOTS} times.
 *
 * So there are at most two certificates more than there should be, then one for each spacing of time under
 * power, and one for each {@link BOOTS} starts; and no device waits for ever, however often it restarts.
 */
import * as v from "valibot";
import type { Clock } from "../host/clock.ts";
import { QuietNote, type QuietNotePorts } from "./quiet-note.ts";

export const CREDIT_NOTE = "renewal-credit";
/** Earlier than a quarter of the lifetime no rule makes anything due. */
const HASTY_SHARE = 0.25;
/** In a row; one may be a bridge after expiry, or somebody's wish. */
const MOST_HASTY = 2;
/** A start counts for as large a share of the spacing. */
export const BOOTS = 24;

/** Validity of a certificate, Unix ms. */
export interface Dates {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** How many renewals in a row came too early, with this one. @param beforeMs `notBefore` of the one before. */
export function hastyInARow(leaf: Dates, beforeMs: number | undefined, before: number): number {
  if (beforeMs === undefined) return 0;
  const passedMs = leaf.notBefore - beforeMs;
  const isHasty = passedMs < HASTY_SHARE * (leaf.notAfter - leaf.notBefore);
  return isHasty ? Math.min(before + 1, MOST_HASTY) : 0;
}

/** @param hasty See {@link hastyInARow}. */
export function isHeld(hasty: number): boolean {
  return hasty >= MOST_HASTY;
}

export interface CreditOptions extends QuietNotePorts {
  readonly clock: Clock;
}

const shape = v.object({ leaf: v.string(), ms: v.pipe(v.number(), v.minValue(0)) });

/** Time under power since a certificate came in force, as far as it was needed; one small write a look. */
export class Credit {
  readonly #clock: Clock;
  readonly #note: QuietNote<v.InferOutput<typeof shape>>;
  /** Monotonic ms up to which it has been counted. */
  #countedAt: number | undefined;

  constructor(options: CreditOptions) {
    this.#clock = options.clock;
    this.#note = new QuietNote(options, CREDIT_NOTE, shape);
  }

  /**
   * Counts what has passed, and tells whether it is enough. Never rejects; what can't be written counts in
   * this run alone.
   *
   * @param leaf SHA-256 of the certificate; another one begins anew.
   */
  async isEnough(leaf: string, spacingMs: number): Promise<boolean> {
    const now = this.#clock.monotonicMs();
    const kept = await this.#note.read();
    const before = kept?.leaf === leaf ? kept.ms : 0;
    const passed = this.#countedAt === undefined ? spacingMs / BOOTS : now - this.#countedAt;
    this.#countedAt = now;
    const ms = Math.min(spacingMs, Math.ceil(before + passed));
    if (ms >= spacingMs) return true;
    await this.#note.write({ leaf, ms });
    return false;
  }

  /** Another certificate is in force. Never rejects. */
  async end(): Promise<void> {
    this.#countedAt = undefined;
    await this.#note.drop();
  }
}

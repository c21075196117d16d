/**
 * What the clock is worth at this moment, out of everything that is known. Pure.
 */
import { formatMoment } from "../span-words.ts";
import type { TimeView } from "./time-view.ts";

/** A moment that somebody vouched for, carried on by steady time. All Unix ms. */
export interface Vouched {
  /** Not earlier, and not later, than this. */
  readonly fromMs: number;
  readonly toMs: number;
}

export interface ClockEvidence {
  readonly clockMs: number;
  readonly floorMs: number;
  /** The floor carried on by the steady time since it was proven: it must be this late by now. */
  readonly atLeastMs: number;
  /** By a fleet statement since the start. */
  readonly fleet: Vouched | undefined;
  /** By an authority's answer to us since the start. */
  readonly authority: Vouched | undefined;
  /** A time service of this machine says that it has set the clock. */
  readonly synchronised: boolean;
}

/**
 * A clock that is off by less is not called wrong: oscillators without a time service lose minutes in a
 * month, and the clocks of authorities differ too.
 */
export const CLOCK_SLACK_MS = 15 * 60_000;

export function judgeClock(evidence: ClockEvidence): TimeView {
  const { clockMs, floorMs, atLeastMs, fleet, authority, synchronised } = evidence;
  const view = { floorMs, clockWrong: false, nowMs: Math.max(clockMs, floorMs), words: undefined };
  if (fleet !== undefined) {
    const off = clockMs < fleet.fromMs - CLOCK_SLACK_MS || clockMs > fleet.toMs + CLOCK_SLACK_MS;
    const nowMs = Math.max(fleet.fromMs, floorMs);
    if (!off) return { ...view, state: "authenticated" };
    const words = `the clock says ${formatMoment(clockMs)}, but by the fleet's time statement it is ${formatMoment(nowMs)}; set the clock`;
    return { ...view, state: "authenticated", clockWrong: true, nowMs, words };
  }
  if (clockMs < atLeastMs - CLOCK_SLACK_MS) {
    const words = `the clock says ${formatMoment(clockMs)}, but it is ${formatMoment(atLeastMs)} at least; set the clock, or let a time service do it`;
    const vouched = authority === undefined ? {} : { vouched: true };
    return { ...view, state: "floor", clockWrong: true, nowMs: atLeastMs, words, ...vouched };
  }
  if (authority !== undefined && authority.fromMs <= clockMs && clockMs <= authority.toMs) {
    return { ...view, state: "authenticated" };
  }
  if (synchronised) return { ...view, state: "network" };
  const words =
    "nothing says that the clock is right: no time service has set it, and no authority has vouched for it since the start";
  return { ...view, state: "unknown", words };
}

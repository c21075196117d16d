/**
 * What `doctor` and `status` say of the time: judgements over facts, in the shape that `doctor` shows.
 * Pure.
 */
import { formatMoment, formatSpan } from "../span-words.ts";
import type { ExpiryReading } from "./expiry-reading.ts";
import type { TimeView } from "./time-view.ts";

export interface TimeFinding {
  readonly result: "ok" | "warn" | "fail";
  /** A sentence without a full stop. */
  readonly reason: string;
  /** What to do; there for `warn` and `fail`. */
  readonly fix?: string;
}

const SET_CLOCK =
  "set the clock, for instance by a time service: `timedatectl set-ntp true`, or chrony";

/** @param timeService What the machine's time services say, in words. */
export function judgeClockTrust(view: TimeView, timeService: string): TimeFinding {
  const { clockWrong, state, nowMs, words } = view;
  if (clockWrong) return { result: "fail", reason: words ?? "the clock is wrong", fix: SET_CLOCK };
  const now = formatMoment(nowMs);
  switch (state) {
    case "authenticated":
      return { result: "ok", reason: `${now}, vouched for by an authority or by the fleet` };
    case "network":
      return { result: "ok", reason: `${now}, ${timeService}` };
    default:
      return { result: "warn", reason: `${now}, but ${timeService}`, fix: SET_CLOCK };
  }
}

/** The worst certificate speaks; the others are counted. */
export function judgeExpiries(readings: readonly ExpiryReading[]): TimeFinding {
  const [worst] = readings;
  if (worst === undefined) return { result: "ok", reason: "there is no certificate yet" };
  const more = readings.filter(({ level }) => level !== "good").length - 1;
  const reason = more > 0 ? `${worst.words}; ${more} more deserve a look` : worst.words;
  const fix = worst.fix ?? "";
  switch (worst.level) {
    case "good":
      return { result: "ok", reason: `the first to end: ${worst.words}` };
    case "unclear":
    case "warn":
      return { result: "warn", reason, fix };
    default:
      return { result: "fail", reason, fix };
  }
}

/** How `status` shows it, in one line. */
export function timeLine(view: TimeView): string {
  const { state, nowMs, floorMs, words } = view;
  if (words !== undefined) return words;
  const since = nowMs > floorMs ? `, ${formatSpan(nowMs - floorMs)} after what is proven` : "";
  return `${formatMoment(nowMs)} (${state}${since})`;
}

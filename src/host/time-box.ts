/**
 * Runs a synchronous function for so long and no longer: the one way to end a loop on the main thread.
 *
 * V8 ends whatever JavaScript runs below a script that has a time limit, loops, regular expressions
 * and `finally` blocks included. It can't end native code amid one call (sorting, copying), and it does
 * not cover what the function leaves for later (promises, timers). A limit needs a thread of its own for
 * the time of the call: about 0.1 ms of processor time, measured on x64. So it is for code that we did
 * not write, not for every call.
 */
import { type Context, constants, createContext, Script } from "node:vm";

/**
 * What `work` returns; what it throws is thrown.
 *
 * @param limitMs Whole milliseconds, at least 1, of real time.
 * @throws TimeBoxOver if `work` was ended; it did not notice, and its `finally` blocks did not run.
 */
export type TimeBox = <T>(limitMs: number, work: () => T) => T;

/** `work` took more than `limitMs` and was ended. */
export class TimeBoxOver extends Error {
  constructor(limitMs: number) {
    super(`not done within ${limitMs} ms`);
    this.name = "TimeBoxOver";
  }
}

/** One box; it is made ready on first use, for what it needs takes memory. */
export function systemTimeBox(): TimeBox {
  let ready: { readonly context: Context; readonly script: Script } | undefined;
  return <T>(limitMs: number, work: () => T): T => {
    ready ??= { context: createContext(constants.DONT_CONTEXTIFY), script: new Script("work()") };
    const { context, script } = ready;
    let outcome: { readonly value: T } | { readonly thrown: unknown } | undefined;
    context["work"] = (): void => {
      try {
        outcome = { value: work() };
      } catch (thrown) {
        outcome = { thrown };
      }
    };
    try {
      script.runInContext(context, { timeout: limitMs });
    } catch {
      // Its own error belongs to the other context. A function that was done in time needs none.
      if (outcome === undefined) throw new TimeBoxOver(limitMs);
    } finally {
      context["work"] = undefined;
    }
    if (outcome === undefined) throw new TimeBoxOver(limitMs);
    if ("thrown" in outcome) throw outcome.thrown;
    return outcome.value;
  };
}

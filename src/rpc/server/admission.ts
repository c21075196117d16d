/**
 * Asks the interceptors, in order, whether a call may go on.
 */
import type { Call } from "../call.ts";
import type { Interceptor, Verdict } from "../interceptor.ts";

/**
 * The first refusal, or `undefined`. A promise only if an interceptor wants to wait; those after it are
 * asked when it has decided.
 */
export function admit(
  interceptors: readonly Interceptor[],
  call: Call,
): Verdict | Promise<Verdict> {
  for (let index = 0; index < interceptors.length; index++) {
    const verdict = interceptors[index]?.before?.(call);
    if (verdict === undefined) continue;
    return verdict instanceof Promise ? admitLater(interceptors, call, index, verdict) : verdict;
  }
  return undefined;
}

async function admitLater(
  interceptors: readonly Interceptor[],
  call: Call,
  index: number,
  pending: Promise<Verdict>,
): Promise<Verdict> {
  return (await pending) ?? (await admit(interceptors.slice(index + 1), call));
}

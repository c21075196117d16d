/** `Retry-After`: seconds, or a date (RFC 9110 section 10.2.3). */
import type { IncomingHttpHeaders } from "node:http";

const MAX_RETRY_AFTER_MS = 86_400_000;

/**
 * From now on, milliseconds, at most a day; `undefined` when nothing is asked for. A date counts from the
 * server's own `Date`: our clock may be wrong.
 *
 * @param nowMs Wall clock, Unix ms; only for dates without a `Date` beside them.
 */
export function retryAfterOf(headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const text = headers["retry-after"]?.trim();
  if (text === undefined || text === "") return undefined;
  const serverNow = Date.parse(headers.date ?? "");
  const fromNow = /^\d{1,9}$/.test(text)
    ? Number(text) * 1_000
    : Date.parse(text) - (Number.isNaN(serverNow) ? nowMs : serverNow);
  if (Number.isNaN(fromNow)) return undefined;
  return Math.min(Math.max(0, fromNow), MAX_RETRY_AFTER_MS);
}

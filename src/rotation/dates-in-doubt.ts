/** What a refusal by dates is worth while nobody vouches for the clock. Pure. */
import type { MarkReason } from "../identity/store/generation.ts";
import { isTimeTrusted, type TimeView } from "../identity/time/time-view.ts";
import { parseCertificate } from "../identity/x509/certificate.ts";

const EARLY: ReadonlySet<string> = new Set(["not-yet-valid", "authority-not-yet-valid"]);
const LATE: ReadonlySet<string> = new Set(["expired", "authority-expired"]);

/** Whether a code of the validator is about dates: of the certificate, or of its authorities. */
export function isOfDates(code: string): boolean {
  return EARLY.has(code) || LATE.has(code);
}

/**
 * Whether a clock that nobody vouches for may have made up all that is said against a chain. What is proven
 * to be over is over, whatever the clock.
 *
 * @throws AgentError `ERR_CERT_INVALID` for a chain that can't be read.
 */
export function isClockAlone(
  reasons: readonly Pick<MarkReason, "code">[],
  time: TimeView,
  chainPem: string,
): boolean {
  if (isTimeTrusted(time) || !reasons.every(({ code }) => isOfDates(code))) return false;
  const endsAt = parseCertificate(chainPem).summary.notAfter;
  return reasons.every(({ code }) => EARLY.has(code) || (LATE.has(code) && time.floorMs <= endsAt));
}

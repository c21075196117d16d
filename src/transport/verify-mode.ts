/**
 * How strictly inbound peers are judged. Everything but `enforce` is a weakening, and says so in
 * every principal that it lets pass. Pure.
 */
export type VerifyMode =
  | { readonly kind: "enforce" }
  /** Lets pass and reports what enforcing would refuse; enforces from `untilMs` (Unix ms) on. */
  | { readonly kind: "observe"; readonly untilMs: number }
  /** TLS, but any peer or none. Development only. */
  | { readonly kind: "insecure-skip-verify" };

/** Whether a peer that failed a check is let in all the same. */
export function letsUnverifiedPass(mode: VerifyMode, nowMs: number): boolean {
  switch (mode.kind) {
    case "enforce":
      return false;
    case "observe":
      return nowMs < mode.untilMs;
    case "insecure-skip-verify":
      return true;
  }
}

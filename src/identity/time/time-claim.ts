/**
 * What an authority's signature says about the time, and whether that may raise the floor. Pure.
 *
 * These count, because the authority itself chose the moment, and nobody else can:
 * - `thisUpdate` of a CRL that verified (RFC 5280 section 5.1.2.4);
 * - `thisUpdate` of an OCSP answer that verified (RFC 6960 section 4.2.2.1);
 * - `notBefore` of the certificate that an authority has made for us, in answer to our request.
 *
 * These don't:
 * - `notBefore` of any other certificate, of a peer or imported: many authorities let the one who asks
 *   choose it (step-ca takes it from the request), so one post-dated leaf could move a whole fleet;
 * - a `Date` header, also inside a connection that verified: it is the host's clock, unsigned, and what
 *   a proxy or any holder of a server certificate makes of it;
 * - NTP, and whatever the system says of itself.
 *
 * All are lower bounds: an old CRL says that it was once that late, not how late it is now. Only a claim
 * that answers a request of ours says something of the present.
 */
import { formatMoment } from "../span-words.ts";

export interface TimeClaim {
  readonly source: "certificate" | "crl" | "ocsp";
  /** What it says, Unix ms. */
  readonly atMs: number;
  /** Every authority from the signer up to the root; the caller has verified their signatures. */
  readonly issuers: readonly { readonly subject: string; readonly notAfter: number }[];
  /** Made in answer to a request that we sent since we started: a certificate for our CSR, OCSP with our nonce. */
  readonly answersUs: boolean;
  /** Made in answer to a request of ours, perhaps before we started; default {@link answersUs}. */
  readonly answeredUs?: boolean;
  /** SHA-256 of the certificate, CRL or answer, hexadecimal. */
  readonly evidence: string;
}

export type ClaimRefusal =
  | "malformed"
  | "not-ours"
  | "beyond-authority"
  | "disproved"
  | "ahead-of-fleet";

export type ClaimOutcome =
  | { readonly kind: "raised"; readonly floorMs: number }
  /** Nothing new: it was known to be as late. */
  | { readonly kind: "known" }
  | { readonly kind: "refused"; readonly reason: ClaimRefusal; readonly words: string };

export interface ClaimContext {
  readonly disproved: readonly string[];
  /** The latest that it can be by the fleet's word, Unix ms; `undefined` without one. */
  readonly latestMs: number | undefined;
}

/** Why a claim does not count; `undefined` if it does. */
export function claimFault(
  claim: TimeClaim,
  { disproved, latestMs }: ClaimContext,
): { readonly reason: ClaimRefusal; readonly words: string } | undefined {
  const { atMs, issuers, source, answersUs, answeredUs = answersUs, evidence } = claim;
  const numbers = [atMs, ...issuers.map(({ notAfter }) => notAfter)];
  if (issuers.length === 0 || !numbers.every((ms) => Number.isSafeInteger(ms) && ms >= 0)) {
    return { reason: "malformed", words: "it names no moment or no authority" };
  }
  if (source === "certificate" && !answeredUs) {
    const words = "whoever asked for the certificate may have chosen when it begins";
    return { reason: "not-ours", words };
  }
  const first = issuers.toSorted((a, b) => a.notAfter - b.notAfter)[0];
  if (first !== undefined && atMs > first.notAfter) {
    const end = formatMoment(first.notAfter);
    const words = `it says ${formatMoment(atMs)}, but "${first.subject}" can vouch only until ${end}`;
    return { reason: "beyond-authority", words };
  }
  if (disproved.includes(evidence)) {
    return { reason: "disproved", words: "a time statement of the fleet has proved it wrong" };
  }
  if (latestMs !== undefined && atMs > latestMs) {
    const words = `it says ${formatMoment(atMs)}, but by the fleet's time statement it is ${formatMoment(latestMs)} at most`;
    return { reason: "ahead-of-fleet", words };
  }
  return undefined;
}

/** When the first of the authorities ends: no floor may lie beyond. Unix ms. */
export function claimEndMs({ issuers }: TimeClaim): number {
  return Math.min(...issuers.map(({ notAfter }) => notAfter));
}

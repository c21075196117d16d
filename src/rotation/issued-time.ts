/** What a certificate that was just made for us says about the time. Pure but for OpenSSL's arithmetic. */
import type { Issued } from "../identity/issuer.ts";
import { splitPem } from "../identity/pem.ts";
import type { TimeClaim } from "../identity/time/time-claim.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";
import { findPaths, Issuers } from "../identity/validator/issuer-paths.ts";
import { parseCertificate } from "../identity/x509/certificate.ts";

/**
 * The authority made it in answer to us: just now, the best that this device ever learns of the time; or before
 * this start, and then it is that late at least.
 *
 * @returns `undefined` for what may be old, and without a way to a root of `trustBundlePem`.
 */
export function issuedTimeClaim(
  issued: Pick<Issued, "chainPem" | "answersUs" | "answeredUs">,
  trustBundlePem: string,
): TimeClaim | undefined {
  const { chainPem, answersUs, answeredUs = answersUs } = issued;
  if (!answeredUs) return undefined;
  const [leaf, ...others] = splitPem(chainPem)
    .filter(({ label }) => label.endsWith("CERTIFICATE"))
    .map(({ text }) => parseCertificate(text));
  if (leaf === undefined) return undefined;
  const bundle = parseTrustBundle(trustBundlePem);
  const [path] = findPaths(leaf, bundle, new Issuers([leaf, ...others, ...bundle]));
  // No way to a root of ours: whoever made it, the validator refuses it.
  if (path === undefined || path.length < 2) return undefined;
  return {
    source: "certificate",
    atMs: leaf.summary.notBefore,
    issuers: path.slice(1).map(({ summary }) => summary),
    ...{ answersUs, answeredUs },
    evidence: leaf.summary.fingerprint,
  };
}

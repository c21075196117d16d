/**
 * What CRLs in force prove about the time. Only those of our own trust bundle count: the authorities of
 * further trust domains vouch for their peers, not for the time of this device.
 */
import { createHash } from "node:crypto";
import type { CrlInForce } from "../identity/revocation/crl-shelf.ts";
import type { TimeClaim } from "../identity/time/time-claim.ts";
import type { TrustedTime } from "../identity/time/trusted-time.ts";
import type { TlsMaterialSource } from "../identity/tls-material.ts";
import { parseTrustBundle, type TrustBundle } from "../identity/trust-bundle.ts";
import { findPaths, Issuers } from "../identity/validator/issuer-paths.ts";

/** Takes the CRLs in force, whose signatures have verified, as claims about the time. */
export function claimByCrls(
  time: Pick<TrustedTime, "claim">,
  source: TlsMaterialSource | undefined,
  crls: readonly CrlInForce[],
): void {
  if (crls.length === 0 || source === undefined || source.absent !== undefined) return;
  const bundle = parseTrustBundle(source.current.trustBundlePem);
  for (const crl of crls) {
    const claim = crlClaim(crl, bundle);
    if (claim !== undefined) time.claim(claim);
  }
}

/** `undefined` when its authority does not stand below our own bundle. */
function crlClaim(crl: CrlInForce, bundle: TrustBundle): TimeClaim | undefined {
  const { issuer, thisUpdate, number } = crl;
  const [path] = findPaths(issuer.certificate, bundle, new Issuers(bundle));
  if (path === undefined) return undefined;
  const evidence = createHash("sha256").update(`${issuer.key} ${number} ${thisUpdate}`);
  return {
    source: "crl",
    atMs: thisUpdate,
    issuers: path.map(({ summary }) => summary),
    answersUs: false,
    evidence: evidence.digest("hex"),
  };
}

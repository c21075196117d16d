/**
 * Trust domains: several authorities of several owners, each vouching only for its own.
 *
 * OpenSSL judges a chain against all bundles together, and Node doesn't tell which one it ended in (Node
 * 24 loses the issuer of a verified client chain). So a leaf that OpenSSL has found good is placed: in
 * every domain whose bundle alone leads from the leaf to a self-signed authority. What the peer sent
 * counts for nothing here, so a bundle has to hold the intermediate authorities too. Placing never makes
 * a peer good.
 */
import type { Problem } from "./peer-checks.ts";
import type { TrustBundle } from "./trust-bundle.ts";
import type { Certificate } from "./x509/certificate.ts";

export interface TrustDomain {
  /** Empty for the domain of `tls.ca`. */
  readonly name: string;
  readonly bundle: TrustBundle;
}

const MAX_DEPTH = 8;
/** Signatures checked for one leaf and domain: namesakes in a bundle must not cost a handshake more. */
const MAX_CHECKS = 32;

/** The names of the domains that vouch for `leaf`, which OpenSSL has found good. */
export function placeLeaf(
  leaf: Certificate,
  domains: readonly TrustDomain[],
  nowMs: number,
): readonly string[] {
  // one bundle: it is the one that OpenSSL found the chain to end in
  if (domains.length <= 1) return domains.map(({ name }) => name);
  return domains.flatMap(({ name, bundle }) => {
    const vouches = isListed(leaf, bundle) || leads(leaf, bundle, nowMs, 0, { left: MAX_CHECKS });
    return vouches ? [name] : [];
  });
}

/** What is wrong with a leaf that no domain vouches for although its chain is good. */
export function unplacedProblem(leaf: Certificate): Problem {
  return {
    cause: "unplaced",
    words: `can't be placed in a trust domain: no bundle holds every authority from "${leaf.summary.issuer}" up to a root`,
    fix: "add the intermediate authorities to the bundle of the domain that they belong to",
  };
}

function isListed(leaf: Certificate, bundle: TrustBundle): boolean {
  return bundle.some(({ summary }) => summary.fingerprint === leaf.summary.fingerprint);
}

function leads(
  child: Certificate,
  bundle: TrustBundle,
  nowMs: number,
  depth: number,
  checks: { left: number },
): boolean {
  if (depth >= MAX_DEPTH) return false;
  return bundle.some((authority) => {
    if (!authority.ca || !inDate(authority, nowMs)) return false;
    if (!child.x509.checkIssued(authority.x509) || checks.left <= 0) return false;
    checks.left -= 1;
    if (!child.x509.verify(authority.publicKey)) return false;
    return authority.selfSigned || leads(authority, bundle, nowMs, depth + 1, checks);
  });
}

function inDate({ summary }: Certificate, nowMs: number): boolean {
  return summary.notBefore <= nowMs && nowMs <= summary.notAfter;
}

/**
 * A chain judged at a moment of our choice, without OpenSSL's verdict: that one goes by the system's
 * clock, and once it says "not yet valid" it hides most of what else is wrong.
 *
 * Stricter than OpenSSL, because it stands alone: every issuer comes from our own trust bundle up to a
 * self-signed one, whatever the peer sent; an authority with name constraints or a critical extension
 * that is not known here counts for nothing. Bounded in ways and signatures (see `issuer-paths.ts`).
 */
import { CERTIFICATE_CHECKS } from "../peer-checks.ts";
import { formatMoment } from "../span-words.ts";
import type { TrustBundle } from "../trust-bundle.ts";
import { findPaths, type IssuerPath, Issuers } from "../validator/issuer-paths.ts";
import { extension, OID, readRawFields } from "../validator/raw-fields.ts";
import type { Certificate } from "../x509/certificate.ts";
import { DER_TAG, readElements, readOne } from "../x509/der.ts";
import { USAGE_OIDS } from "../x509/issue.ts";

export interface ChainMoment {
  /** What has been proven of the time, Unix ms. */
  readonly nowMs: number;
  readonly role: "client" | "server";
  /** Certificates may begin later than `nowMs`; all must be in date when the last of them has begun. */
  readonly maybeLater: boolean;
  /** How long after its end the leaf may count, ms. */
  readonly leafGraceMs: number;
}

/** `fault` follows the word "certificate"; `undefined` when the chain is good. */
export function chainFaultAt(
  leaf: Certificate,
  bundle: TrustBundle,
  moment: ChainMoment,
): string | undefined {
  const paths = findPaths(leaf, bundle, new Issuers(bundle));
  if (paths.length === 0) {
    return "can't be judged without the clock: its issuers don't all stand in the trust bundle";
  }
  const faults = paths.map((path) => pathFault(path, moment));
  return faults.includes(undefined) ? undefined : faults[0];
}

const ANY_PURPOSE = "2.5.29.37.0";
const KEY_CERT_SIGN = 0x04;
/** What this file acts on, or what restricts nothing that is asked here. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.subjectKeyId,
  OID.keyUsage,
  OID.alternativeNames,
  OID.basicConstraints,
  OID.authorityKeyId,
  OID.extendedKeyUsage,
]);

function pathFault(path: IssuerPath, moment: ChainMoment): string | undefined {
  const begins = path.map(({ summary }) => summary.notBefore);
  const atMs = moment.maybeLater ? Math.max(moment.nowMs, ...begins) : moment.nowMs;
  const [leaf, ...issuers] = path;
  const { notBefore, notAfter } = leaf.summary;
  if (atMs < notBefore) return `begins ${formatMoment(notBefore)}, later than is proven`;
  if (atMs > notAfter + moment.leafGraceMs) return `ended ${formatMoment(notAfter)}`;
  const extra = unknownCritical(leaf);
  if (extra !== undefined) return `has a critical extension that is not known (${extra})`;
  for (const [below, issuer] of issuers.entries()) {
    const fault = issuerFault(issuer, { atMs, role: moment.role, path, below });
    if (fault !== undefined) return `was issued by "${issuer.summary.subject}", which ${fault}`;
  }
  return undefined;
}

interface IssuerPlace {
  readonly atMs: number;
  readonly role: ChainMoment["role"];
  readonly path: IssuerPath;
  /** How many authorities stand between it and the leaf. */
  readonly below: number;
}

function issuerFault(issuer: Certificate, place: IssuerPlace): string | undefined {
  const { atMs, role, path, below } = place;
  const { notBefore, notAfter } = issuer.summary;
  if (atMs < notBefore) return `begins ${formatMoment(notBefore)}, later than is proven`;
  if (atMs > notAfter) return `ended ${formatMoment(notAfter)}`;
  if (!issuer.ca || issuer.version !== 3) return "is not an authority's";
  const { keyUsage, extendedKeyUsages: usages } = issuer;
  if (keyUsage !== undefined && ((keyUsage[0] ?? 0) & KEY_CERT_SIGN) === 0) {
    return "may not issue certificates (key usage)";
  }
  if (usages !== undefined && !usages.includes(USAGE_OIDS[role]) && !usages.includes(ANY_PURPOSE)) {
    return `is not for ${role}s (extended key usage)`;
  }
  const extra = unknownCritical(issuer);
  if (extra !== undefined) return `has a critical extension that is not known (${extra})`;
  if (extension(readRawFields(issuer), OID.nameConstraints) !== undefined) {
    return "has name constraints, which are not judged while the clock is wrong";
  }
  // Those that renewed themselves don't count (RFC 5280 section 4.2.1.9).
  const between = path.slice(1, below + 1).filter(({ selfSigned }) => !selfSigned).length;
  const allowed = pathLength(issuer);
  if (allowed !== undefined && between > allowed) return "allows no such long chain below it";
  return weakness(issuer);
}

/** The signature of a root is not used, so its algorithm does not matter. */
function weakness(issuer: Certificate): string | undefined {
  const causes = issuer.selfSigned ? ["weak-key"] : ["weak-key", "weak-signature"];
  for (const { cause, fault } of CERTIFICATE_CHECKS) {
    if (!causes.includes(cause)) continue;
    const words = fault(issuer, { nowMs: issuer.summary.notBefore, role: "server" });
    if (words !== undefined) return words;
  }
  return undefined;
}

function unknownCritical(certificate: Certificate): string | undefined {
  const { extensions } = readRawFields(certificate);
  return extensions.find(({ oid, critical }) => critical && !UNDERSTOOD.has(oid))?.oid;
}

function pathLength(issuer: Certificate): number | undefined {
  const found = extension(readRawFields(issuer), OID.basicConstraints);
  if (found === undefined) return undefined;
  const length = readElements(readOne(found.value, DER_TAG.sequence)).find(
    ({ tag }) => tag === DER_TAG.integer,
  );
  return length?.content.reduce((value, octet) => value * 256 + octet, 0);
}

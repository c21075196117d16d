/**
 * Puts the certificates of an import in the order that TLS sends them (RFC 8446 section 4.4.2): leaf
 * first, each followed by its issuer, without the root, which the peer must have anyway. Order only:
 * whether the chain is any good is the validator's to say.
 */
import type { KeyObject } from "node:crypto";
import { AgentError } from "../../base/errors.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import { certificatePem } from "../x509/certificate-builder.ts";
import { MAX_IMPORT_CERTIFICATES } from "./import-limits.ts";

export interface AssembledChain {
  /** Leaf first, without root, PEM. */
  readonly chainPem: string;
  readonly leaf: Certificate;
  /** Self-signed authorities that came along, PEM: what a trust bundle may be made of; empty for none. */
  readonly rootsPem: string;
  /** What was left out and why, in words. */
  readonly remarks: readonly string[];
}

/**
 * Certificates none of which belongs to the key: refused here, or passed on as they are, for the validator
 * to name that among everything else that is wrong with them.
 */
export type ForeignCertificates = "refuse" | "pass-on";

/**
 * @param ders certificates in any order.
 * @param publicKey of the private key; the leaf is the certificate that has it.
 * @throws AgentError `ERR_IMPORT_INVALID` for none, too many, or none of this key;
 *   `ERR_CERT_INVALID` for one that can't be read.
 */
export function assembleChain(
  ders: readonly (string | Uint8Array)[],
  publicKey: KeyObject,
  foreign: ForeignCertificates = "refuse",
): AssembledChain {
  if (ders.length > MAX_IMPORT_CERTIFICATES) {
    throw invalid(
      `the import has ${ders.length} certificates; it may have ${MAX_IMPORT_CERTIFICATES}`,
    );
  }
  const remarks: string[] = [];
  const certificates = withoutRepeats(ders.map(parseCertificate), remarks);
  const [first] = certificates;
  const own = certificates.some((each) => each.publicKey.equals(publicKey));
  if (foreign === "pass-on" && !own && first !== undefined) {
    return { chainPem: pemOf(certificates), leaf: first, rootsPem: "", remarks };
  }
  const leaf = leafOf(certificates, publicKey, remarks);
  const chain = [leaf];
  const roots: Certificate[] = [];
  for (let last = leaf; ; ) {
    const issuer = certificates.find((other) => !chain.includes(other) && issued(other, last));
    if (issuer === undefined || last.selfSigned) break;
    if (issuer.selfSigned) break;
    chain.push(issuer);
    last = issuer;
  }
  for (const other of certificates) {
    if (chain.includes(other)) continue;
    if (other.selfSigned && other.ca) {
      roots.push(other);
      remarks.push(`${nameOf(other)} is a root; peers have it, so it is not sent with the chain`);
    } else {
      remarks.push(`${nameOf(other)} is not part of the leaf's chain and was left out`);
    }
  }
  return { chainPem: pemOf(chain), leaf, rootsPem: pemOf(roots), remarks };
}

function leafOf(
  certificates: readonly Certificate[],
  publicKey: KeyObject,
  remarks: string[],
): Certificate {
  if (certificates.length === 0) throw invalid("the import has no certificate");
  const own = certificates
    .filter((certificate) => certificate.publicKey.equals(publicKey))
    .toSorted((a, b) => b.summary.notBefore - a.summary.notBefore);
  const [leaf, ...older] = own;
  if (leaf === undefined) {
    const names = certificates.slice(0, 5).map(nameOf).join(", ");
    throw invalid(`no certificate belongs to the private key; the import has ${names}`);
  }
  for (const other of older) {
    remarks.push(`${nameOf(other)} is an older certificate of the same key; the newest is used`);
  }
  return leaf;
}

function withoutRepeats(found: readonly Certificate[], remarks: string[]): Certificate[] {
  const byFingerprint = new Map(found.map((each) => [each.summary.fingerprint, each]));
  const repeats = found.length - byFingerprint.size;
  if (repeats > 0) remarks.push(`${repeats} certificates stand in the import more than once`);
  return [...byFingerprint.values()];
}

/** Names first: to verify a signature takes a thousand times as long. */
function issued(issuer: Certificate, subject: Certificate): boolean {
  return (
    issuer.ca &&
    issuer.summary.subject === subject.summary.issuer &&
    subject.x509.verify(issuer.publicKey)
  );
}

function nameOf({ summary }: Certificate): string {
  return JSON.stringify(summary.subject.slice(0, 100));
}

function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map(({ x509 }) => certificatePem(x509.raw)).join("");
}

function invalid(message: string): AgentError {
  return new AgentError("ERR_IMPORT_INVALID", message);
}

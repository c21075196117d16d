/**
 * An OCSP question about one certificate (RFC 6960 section 4.1). It has no nonce: many responders give
 * out answers made ahead (RFC 5019), and ours are judged by their dates.
 */
import { createHash } from "node:crypto";
import type { CertificateFacts } from "./certificate-facts.ts";
import { TAG } from "./der-cursor.ts";

/** What a CertID holds, for one digest. */
export interface CertificateId {
  readonly nameHash: Uint8Array;
  readonly keyHash: Uint8Array;
  readonly serial: Uint8Array;
}

/** @param digest By Node's name; responders answer with SHA-1, which only names here and proves nothing. */
export function certificateId(
  leaf: CertificateFacts,
  issuer: CertificateFacts,
  digest: "sha1" | "sha256" = "sha1",
): CertificateId {
  const hash = (bytes: Uint8Array): Uint8Array => createHash(digest).update(bytes).digest();
  return {
    nameHash: hash(issuer.subjectName),
    keyHash: hash(issuer.publicKeyBits),
    serial: leaf.serial,
  };
}

const SHA1 = Uint8Array.of(0x2b, 0x0e, 0x03, 0x02, 0x1a);

/** Returns the request in DER. */
export function ocspRequest(leaf: CertificateFacts, issuer: CertificateFacts): Uint8Array {
  const { nameHash, keyHash, serial } = certificateId(leaf, issuer);
  const sequence = (...parts: Uint8Array[]): Uint8Array => element(TAG.sequence, ...parts);
  const id = sequence(
    sequence(element(TAG.oid, SHA1), Uint8Array.of(0x05, 0x00)),
    element(TAG.octetString, nameHash),
    element(TAG.octetString, keyHash),
    element(TAG.integer, positive(serial)),
  );
  return sequence(sequence(sequence(sequence(id))));
}

/** One DER element. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.of(tag, ...head), ...parts]);
}

function positive(octets: Uint8Array): Uint8Array {
  return ((octets[0] ?? 0) & 0x80) === 0 ? octets : Buffer.concat([Uint8Array.of(0), octets]);
}

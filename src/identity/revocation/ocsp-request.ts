/**
 * An OCSP question about one certificate (RFC 6960 section 4.1). Its nonce (RFC 8954) is optional for the
 * responder, since many give out answers made ahead; one that repeats it proves its answer new even to a
 * machine that does not know the time.
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

/** id-pkix-ocsp-nonce */
const NONCE = Uint8Array.of(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02);
/** RFC 8954 section 2.1 allows 1 to 32. */
export const NONCE_OCTETS = 16;

/** Returns the request in DER. @param nonce Of {@link NONCE_OCTETS} random octets. */
export function ocspRequest(
  leaf: CertificateFacts,
  issuer: CertificateFacts,
  nonce: Uint8Array,
): Uint8Array {
  const { nameHash, keyHash, serial } = certificateId(leaf, issuer);
  const sequence = (...parts: Uint8Array[]): Uint8Array => element(TAG.sequence, ...parts);
  const id = sequence(
    sequence(element(TAG.oid, SHA1), Uint8Array.of(0x05, 0x00)),
    element(TAG.octetString, nameHash),
    element(TAG.octetString, keyHash),
    element(TAG.integer, positive(serial)),
  );
  const extension = sequence(
    element(TAG.oid, NONCE),
    element(TAG.octetString, element(TAG.octetString, nonce)),
  );
  const requests = sequence(sequence(id));
  return sequence(sequence(requests, element(0xa2, sequence(extension))));
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

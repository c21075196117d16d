/**
 * Reads and verifies an OCSP answer (RFC 6960 section 4.2): signed by the issuer itself or by a responder
 * that the issuer has appointed, and about the certificate that was asked for.
 */
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import { formatOid } from "../x509/der.ts";
import type { CertificateFacts } from "./certificate-facts.ts";
import { DerCursor, sameBytes, TAG, trimInteger } from "./der-cursor.ts";
import { readExtensions, refuseUnknownCritical } from "./extensions.ts";
import type { Issuer } from "./issuer-pool.ts";
import { certificateId } from "./ocsp-request.ts";
import { refuse } from "./refusal.ts";
import { reasonName } from "./revoked-serials.ts";
import { isSignedBy, type SignedDer } from "./signed-der.ts";

export interface OcspAnswer {
  readonly status: "good" | "revoked" | "unknown";
  /** Unix milliseconds; 0 unless revoked. */
  readonly sinceMs: number;
  /** As RFC 5280 calls it; empty unless revoked. */
  readonly reason: string;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** It repeats the nonce of our question: it was made after we asked. */
  readonly answersUs: boolean;
}

/** Largest answer that is looked at, certificates of the responder included. Bytes. */
export const MAX_ANSWER_BYTES = 32 * 1024;
/** How long an answer counts that does not say when there will be a newer one. */
const WITHOUT_NEXT_MS = 3_600_000;
const BASIC = "1.3.6.1.5.5.7.48.1.1";
const NONCE_OID = "1.3.6.1.5.5.7.48.1.2";
const OCSP_SIGNING = "1.3.6.1.5.5.7.3.9";
const STATUS_WORDS: Readonly<Record<number, string>> = {
  1: "malformedRequest",
  2: "internalError",
  3: "tryLater",
  5: "sigRequired",
  6: "unauthorized",
};
const MAX_CERTIFICATES = 4;
const DIGEST_BY_LENGTH = { 20: "sha1", 32: "sha256" } as const;

/**
 * @param nowMs Unix milliseconds, for the dates of an appointed responder.
 * @param nonce Of our question; left out for a staple, which answers nobody.
 * @throws AgentError `ERR_REVOCATION_SOURCE`: not an answer, an error of the responder, forged, or about
 *   something else. Whether the answer is in date the caller judges.
 */
export function readOcspAnswer(
  der: Uint8Array,
  leaf: CertificateFacts,
  issuer: Issuer,
  nowMs: number,
  nonce?: Uint8Array,
): OcspAnswer {
  if (der.length > MAX_ANSWER_BYTES) {
    throw refuse("too-large", `the answer is larger than ${MAX_ANSWER_BYTES} bytes`);
  }
  const basic = new DerCursor(basicOf(der)).take(TAG.sequence, "the answer").inside();
  const tbs = basic.take(TAG.sequence, "the answer's content").whole;
  const algorithm = basic.take(TAG.sequence, "the algorithm").whole;
  const signature = basic.take(TAG.bitString, "the signature").content.subarray(1);
  const signed: SignedDer = { tbs, algorithm, signature };
  const sent = basic.takeIf(0xa0) ? certificatesOf(basic.inside()) : [];
  requireSigner(signed, sent, issuer, nowMs);
  return singleOf(
    new DerCursor(tbs).take(TAG.sequence, "the content").inside(),
    leaf,
    issuer,
    nonce,
  );
}

function basicOf(der: Uint8Array): Uint8Array {
  const outer = new DerCursor(der);
  const response = outer.take(TAG.sequence, "an OCSP answer").inside();
  if (!outer.done) throw refuse("malformed", "something follows the answer");
  const status = response.take(TAG.enumerated, "the responder's status").content[0] ?? 0;
  if (status !== 0) {
    throw refuse(
      "responder",
      `the responder answers ${STATUS_WORDS[status] ?? `status ${status}`}`,
    );
  }
  const bytes = response.take(0xa0, "the answer").inside();
  const parts = bytes.take(TAG.sequence, "the answer").inside();
  const type = formatOid(parts.take(TAG.oid, "the kind of answer").content);
  if (type !== BASIC) throw refuse("malformed", `the answer is of kind ${type}, not basic`);
  return parts.take(TAG.octetString, "the answer").content;
}

function certificatesOf(field: DerCursor): Certificate[] {
  const list = field.take(TAG.sequence, "the responder's certificates").inside();
  const found: Certificate[] = [];
  while (!list.done && found.length < MAX_CERTIFICATES) {
    const { whole } = list.advance();
    try {
      found.push(parseCertificate(whole));
    } catch (error) {
      throw refuse("malformed", "a certificate of the responder can't be read", error);
    }
  }
  return found;
}

/** RFC 6960 section 4.2.2.2: the issuer, or whom the issuer itself has given id-kp-OCSPSigning. */
function requireSigner(
  signed: SignedDer,
  sent: readonly Certificate[],
  { certificate: issuer }: Issuer,
  nowMs: number,
): void {
  if (isSignedBy(signed, issuer.publicKey)) return;
  const signer = sent.find(({ publicKey }) => isSignedBy(signed, publicKey));
  if (signer === undefined) {
    throw refuse(
      "signature",
      `the answer was signed neither by ${issuer.summary.subject} nor by a responder that it names`,
    );
  }
  const { summary, extendedKeyUsages, x509 } = signer;
  if (!x509.checkIssued(issuer.x509) || !x509.verify(issuer.publicKey)) {
    throw refuse(
      "signature",
      `the answer was signed by ${summary.subject}, which ${issuer.summary.subject} did not issue`,
    );
  }
  if (extendedKeyUsages?.includes(OCSP_SIGNING) !== true) {
    throw refuse(
      "signature",
      `the answer was signed by ${summary.subject}, which may not sign OCSP answers`,
    );
  }
  if (nowMs < summary.notBefore || nowMs > summary.notAfter) {
    throw refuse("expired", `the responder's certificate ${summary.subject} is not in date`);
  }
}

/** The response about `leaf` among those in ResponseData. */
function singleOf(
  tbs: DerCursor,
  leaf: CertificateFacts,
  issuer: Issuer,
  nonce: Uint8Array | undefined,
): OcspAnswer {
  tbs.takeIf(0xa0); // version
  tbs.advance(); // responderID: the signature has told who it was
  tbs.takeTime("producedAt");
  const list = tbs.take(TAG.sequence, "the responses").inside();
  const answersUs = tbs.takeIf(0xa1) && repeatsNonce(tbs.inside(), nonce);
  while (!list.done) {
    const single = list.take(TAG.sequence, "a response").inside();
    if (isAbout(single.take(TAG.sequence, "a certificate's identifier").inside(), leaf, issuer)) {
      return { ...statusOf(single), answersUs };
    }
  }
  throw refuse("other-certificate", "the answer is about another certificate");
}

function isAbout(id: DerCursor, leaf: CertificateFacts, issuer: Issuer): boolean {
  id.take(TAG.sequence, "the digest");
  const nameHash = id.take(TAG.octetString, "the hash of the name").content;
  const keyHash = id.take(TAG.octetString, "the hash of the key").content;
  const serial = trimInteger(id.take(TAG.integer, "the serial number").content);
  const digest = DIGEST_BY_LENGTH[nameHash.length as 20 | 32];
  if (digest === undefined) return false;
  const wanted = certificateId(leaf, issuer.facts, digest);
  return (
    sameBytes(serial, wanted.serial) &&
    sameBytes(nameHash, wanted.nameHash) &&
    sameBytes(keyHash, wanted.keyHash)
  );
}

function statusOf(single: DerCursor): Omit<OcspAnswer, "answersUs"> {
  const { tag, content } = single.advance();
  let [sinceMs, reason]: [number, string] = [0, ""];
  if (tag === 0xa1) {
    const revoked = new DerCursor(content);
    sinceMs = revoked.takeTime("the revocation date");
    const code = revoked.takeIf(0xa0)
      ? revoked.inside().take(TAG.enumerated, "the reason").content[0]
      : 0;
    reason = reasonName(code ?? 0);
  } else if (tag !== 0x80 && tag !== 0x82) {
    throw refuse("malformed", "the answer has a status that is not known");
  }
  const thisUpdate = single.takeTime("thisUpdate");
  const nextUpdate = single.takeIf(0xa0)
    ? single.inside().takeTime("nextUpdate")
    : thisUpdate + WITHOUT_NEXT_MS;
  if (single.takeIf(0xa1)) refuseCritical(single.inside());
  const status = tag === 0xa1 ? "revoked" : tag === 0x80 ? "good" : "unknown";
  return { status, sinceMs, reason, thisUpdate, nextUpdate };
}

/** @throws AgentError when the answer has another nonce than the question: it answers somebody else. */
function repeatsNonce(field: DerCursor, nonce: Uint8Array | undefined): boolean {
  const extensions = readExtensions(field.take(TAG.sequence, "the extensions").inside());
  refuseUnknownCritical(extensions, [NONCE_OID]);
  const found = extensions.find(({ oid }) => oid === NONCE_OID);
  if (found === undefined || nonce === undefined) return false;
  const octets = new DerCursor(found.value).take(TAG.octetString, "the nonce").content;
  if (!sameBytes(octets, nonce)) {
    throw refuse("other-certificate", "the answer repeats the nonce of another question");
  }
  return true;
}

function refuseCritical(field: DerCursor): void {
  refuseUnknownCritical(readExtensions(field.take(TAG.sequence, "the extensions").inside()), []);
}

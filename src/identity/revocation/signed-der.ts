/**
 * The frame that certificates, CRLs and OCSP answers share (X.509 SIGNED): what is signed, with which
 * algorithm, and the signature. Pure but for OpenSSL's arithmetic.
 */
import { constants, type KeyObject, verify } from "node:crypto";
import { formatOid } from "../x509/der.ts";
import { DerCursor, sameBytes, TAG } from "./der-cursor.ts";
import { refuse } from "./refusal.ts";

export interface SignedDer {
  /** Exactly the bytes that the signature covers. */
  readonly tbs: Uint8Array;
  /** AlgorithmIdentifier as it stands in the frame, DER. */
  readonly algorithm: Uint8Array;
  readonly signature: Uint8Array;
}

interface Scheme {
  readonly keys: readonly string[];
  /** `null` where the algorithm brings its own. */
  readonly digest: string | null;
  readonly pss?: true;
}

const DIGESTS: Readonly<Record<string, string>> = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};
/** SHA-2 or better only: RFC 5758, RFC 4055, RFC 8410. */
const SCHEMES: Readonly<Record<string, Scheme>> = {
  "1.2.840.10045.4.3.2": { keys: ["ec"], digest: "sha256" },
  "1.2.840.10045.4.3.3": { keys: ["ec"], digest: "sha384" },
  "1.2.840.10045.4.3.4": { keys: ["ec"], digest: "sha512" },
  "1.2.840.113549.1.1.11": { keys: ["rsa"], digest: "sha256" },
  "1.2.840.113549.1.1.12": { keys: ["rsa"], digest: "sha384" },
  "1.2.840.113549.1.1.13": { keys: ["rsa"], digest: "sha512" },
  "1.2.840.113549.1.1.10": { keys: ["rsa", "rsa-pss"], digest: null, pss: true },
  "1.3.101.112": { keys: ["ed25519"], digest: null },
  "1.3.101.113": { keys: ["ed448"], digest: null },
};

/** Reads `tbs, algorithm, signature` from a cursor that stands before them. */
export function takeSigned(cursor: DerCursor): SignedDer {
  const tbs = cursor.take(TAG.sequence, "what is signed").whole;
  const algorithm = cursor.take(TAG.sequence, "the signature's algorithm").whole;
  const bits = cursor.take(TAG.bitString, "the signature").content;
  if (bits[0] !== 0) throw refuse("malformed", "the signature is not whole octets");
  return { tbs, algorithm, signature: bits.subarray(1) };
}

/**
 * Whether `key` made the signature.
 *
 * @throws AgentError `ERR_REVOCATION_SOURCE` for an algorithm that is not accepted.
 */
export function isSignedBy({ tbs, algorithm, signature }: SignedDer, key: KeyObject): boolean {
  const { scheme, pssDigest } = schemeOf(algorithm);
  if (!scheme.keys.includes(key.asymmetricKeyType ?? "")) return false;
  const options =
    scheme.pss === true
      ? {
          key,
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_AUTO,
        }
      : key;
  try {
    return verify(pssDigest ?? scheme.digest, tbs, options, signature);
  } catch {
    return false; // OpenSSL throws for a signature that can't be one of this key
  }
}

function schemeOf(algorithm: Uint8Array): { scheme: Scheme; pssDigest: string | undefined } {
  const parts = new DerCursor(algorithm).take(TAG.sequence, "the algorithm").inside();
  const oid = formatOid(parts.take(TAG.oid, "the algorithm").content);
  const scheme = SCHEMES[oid];
  if (scheme === undefined) {
    throw refuse("algorithm", `it is signed with an algorithm that is not accepted (${oid})`);
  }
  if (scheme.pss !== true) return { scheme, pssDigest: undefined };
  // RSASSA-PSS-params (RFC 4055 section 3.1): [0] hash, SHA-1 when it is left out
  const params = parts.take(TAG.sequence, "the parameters of RSA-PSS").inside();
  const hash = params.takeIf(0xa0)
    ? formatOid(params.inside().advance().inside().take(TAG.oid, "the digest").content)
    : "";
  const pssDigest = DIGESTS[hash];
  if (pssDigest === undefined) {
    throw refuse("algorithm", "it is signed with RSA-PSS over a digest that is not accepted");
  }
  return { scheme, pssDigest };
}

/** The algorithm inside and outside what is signed must be one (RFC 5280 section 5.1.1.2). */
export function requireSameAlgorithm(inner: Uint8Array, { algorithm }: SignedDer): void {
  if (!sameBytes(inner, algorithm)) {
    throw refuse("algorithm", "it names two different signature algorithms");
  }
}

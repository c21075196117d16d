/**
 * What we ask of a certificate beyond OpenSSL's verdict. Each check is a row: a cause (constant, for
 * counters and logs), the fault in words, and what to do. All rows run, because one fault can hide
 * another. Pure.
 */
import { namesHost } from "./name-match.ts";
import { formatMoment, formatSpan } from "./span-words.ts";
import type { DateDoubt } from "./time/time-view.ts";
import type { Certificate } from "./x509/certificate.ts";
import { USAGE_OIDS } from "./x509/issue.ts";
import { isSpiffeUri, spiffeIdFault } from "./x509/spiffe-id.ts";

/** Why a peer is refused. */
export type ProblemCause =
  | "no-certificate"
  | "unknown-authority"
  | "expired"
  | "not-yet-valid"
  | "name-mismatch"
  | "wrong-purpose"
  | "is-authority"
  | "weak-key"
  | "weak-signature"
  | "malformed"
  | "spiffe-id"
  | "unplaced"
  | "revoked"
  | "unchecked"
  | "staple"
  | "chain";

export interface Problem {
  readonly cause: ProblemCause;
  /** Follows the word "certificate": `expired 3 days ago`. */
  readonly words: string;
  /** Imperative, one line. */
  readonly fix: string;
}

export interface CheckContext {
  /** Wall clock, or what has been proven while that is known to be wrong; Unix milliseconds. */
  readonly nowMs: number;
  /** Only there when OpenSSL's word on dates is not the last one. */
  readonly doubt?: DateDoubt | undefined;
  /** What the holder of the certificate is in this connection. */
  readonly role: "client" | "server";
  /** Host name or IP address that the certificate must name; servers only. */
  readonly host?: string | undefined;
}

export interface CertificateCheck {
  readonly cause: ProblemCause;
  readonly fix: string;
  /** The fault in words; `undefined` if there is none. */
  fault(certificate: Certificate, context: CheckContext): string | undefined;
}

/** Curves by OpenSSL's names: what every TLS 1.3 peer of ours can verify. */
const CURVES = new Set(["prime256v1", "secp384r1", "secp521r1"]);
/** Below: breakable. Above: verifying costs a small CPU too much. Bits. */
const RSA_MIN_BITS = 2048;
const RSA_MAX_BITS = 8192;

/** Signatures with SHA-2 or better: RFC 5758, RFC 4055, RFC 8410. */
const SIGNATURES = new Set([
  "1.2.840.10045.4.3.2",
  "1.2.840.10045.4.3.3",
  "1.2.840.10045.4.3.4",
  "1.2.840.113549.1.1.10",
  "1.2.840.113549.1.1.11",
  "1.2.840.113549.1.1.12",
  "1.2.840.113549.1.1.13",
  "1.3.101.112",
  "1.3.101.113",
]);

/** Control characters, line and paragraph separators, and what turns the writing direction. */
const INVISIBLE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;

const REISSUE = "issue the peer a new certificate";

export const CERTIFICATE_CHECKS: readonly CertificateCheck[] = [
  {
    cause: "expired",
    fix: `${REISSUE}; if the date looks right, check this machine's clock`,
    fault: ({ summary }, { nowMs }) =>
      nowMs > summary.notAfter
        ? `expired ${formatSpan(nowMs - summary.notAfter)} ago (${formatMoment(summary.notAfter)})`
        : undefined,
  },
  {
    cause: "not-yet-valid",
    fix: "check the clocks of this machine and of the machine that issued the certificate",
    fault: ({ summary }, { nowMs }) =>
      nowMs < summary.notBefore
        ? `is not yet valid: it begins in ${formatSpan(summary.notBefore - nowMs)} (${formatMoment(summary.notBefore)})`
        : undefined,
  },
  {
    cause: "malformed",
    fix: "issue an X.509 version 3 certificate",
    fault: ({ version }) => (version === 3 ? undefined : `is X.509 version ${version}, not 3`),
  },
  {
    cause: "is-authority",
    fix: "give the peer a certificate of its own, issued by the authority",
    fault: ({ ca }) => (ca ? "is an authority's, not a peer's (basicConstraints CA)" : undefined),
  },
  {
    cause: "wrong-purpose",
    fix: "issue it with extended key usage clientAuth for clients, serverAuth for servers, both for both",
    fault: ({ extendedKeyUsages: usages }, { role }) =>
      usages === undefined || usages.includes(USAGE_OIDS[role])
        ? undefined
        : `is not for use as a ${role}: its extended key usage lacks ${role}Auth`,
  },
  {
    cause: "wrong-purpose",
    fix: "issue it with key usage digitalSignature",
    fault: ({ keyUsage }) =>
      keyUsage === undefined || ((keyUsage[0] ?? 0) & 0x80) !== 0
        ? undefined
        : "may not sign: its key usage lacks digitalSignature",
  },
  {
    cause: "weak-key",
    fix: "use an ECDSA P-256 key, or RSA of 2048 to 8192 bits",
    fault: ({ publicKey }) => keyFault(publicKey),
  },
  {
    cause: "weak-signature",
    fix: "let the authority sign with SHA-256 or better",
    fault: ({ signatureOid }) =>
      SIGNATURES.has(signatureOid)
        ? undefined
        : `is signed with an algorithm that is not accepted (${signatureOid}: SHA-1, MD5 or unknown)`,
  },
  {
    cause: "malformed",
    fix: `${REISSUE} with well-formed names`,
    fault: ({ names }) =>
      names.faults.length === 0 ? undefined : `has malformed names: ${names.faults.join(", ")}`,
  },
  {
    cause: "malformed",
    fix: `${REISSUE} with one common name`,
    fault: ({ commonNames }) =>
      commonNames.length <= 1
        ? undefined
        : `has ${commonNames.length} common names; one is the most`,
  },
  {
    cause: "malformed",
    fix: `${REISSUE} whose common name can be read`,
    // Such a name looks like another one: to C programs as far as the NUL, to people as far as they see.
    fault: ({ commonNames }) =>
      commonNames.some((name) => INVISIBLE.test(name))
        ? "has a common name with control characters"
        : undefined,
  },
  {
    cause: "spiffe-id",
    fix: "issue it with exactly one URI SAN of the form spiffe://trust-domain/path",
    fault: ({ names }) => spiffeFault(names.uris),
  },
  {
    cause: "name-mismatch",
    fix: "issue the server a certificate whose SANs hold this name or address (the common name does not count), or set server_name",
    fault: ({ names }, { host }) => {
      if (host === undefined || namesHost(names, host)) return undefined;
      const held = [...names.dnsNames, ...names.ipAddresses];
      return held.length === 0
        ? `does not name "${host}": it has no DNS or IP SAN at all`
        : `does not name "${host}": it names ${held.join(", ")}`;
    },
  },
];

/** Every problem that our own checks find. */
export function findProblems(certificate: Certificate, context: CheckContext): Problem[] {
  return CERTIFICATE_CHECKS.flatMap(({ cause, fix, fault }) => {
    const words = fault(certificate, context);
    return words === undefined ? [] : [{ cause, words, fix }];
  });
}

function keyFault(key: Certificate["publicKey"]): string | undefined {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case "ec":
      return CURVES.has(details?.namedCurve ?? "")
        ? undefined
        : `has a key on curve ${details?.namedCurve ?? "unknown"}, which is not accepted`;
    case "rsa":
    case "rsa-pss": {
      const bits = details?.modulusLength ?? 0;
      return bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS
        ? undefined
        : `has an RSA key of ${bits} bits; ${RSA_MIN_BITS} to ${RSA_MAX_BITS} are accepted`;
    }
    case "ed25519":
    case "ed448":
      return undefined;
    default:
      return `has a key of type ${key.asymmetricKeyType ?? "unknown"}, which is not accepted`;
  }
}

/** A SPIFFE ID must be the only URI (X.509-SVID specification, section 2). */
function spiffeFault(uris: readonly string[]): string | undefined {
  const claimed = uris.find(isSpiffeUri);
  if (claimed === undefined) return undefined;
  if (uris.length > 1) return "has a SPIFFE ID beside other URIs; it must be the only one";
  const fault = spiffeIdFault(claimed);
  return fault === undefined ? undefined : `has an ill-formed SPIFFE ID: ${fault}`;
}

/**
 * OpenSSL's verdicts on a chain, by the codes that Node gives them, in words. They mask one another
 * (an unknown authority can read as "not yet valid"), so they only speak when our own checks and our
 * own look at the chain found nothing to say. Pure.
 */
import type { Problem, ProblemCause } from "./peer-checks.ts";

/** What Node reports after a handshake; `code` is `undefined` exactly when `good`. */
export interface OpensslVerdict {
  readonly good: boolean;
  readonly code: string | undefined;
}

const UNKNOWN_AUTHORITY: readonly string[] = [
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "CERT_UNTRUSTED",
];

const ROWS: Readonly<Record<string, { cause: ProblemCause; words: string; fix: string }>> = {
  CERT_HAS_EXPIRED: {
    cause: "expired",
    words: "or an authority in its chain has expired",
    fix: "renew the expired authority and what it issued",
  },
  CERT_NOT_YET_VALID: {
    cause: "not-yet-valid",
    words: "or an authority in its chain is not yet valid",
    fix: "check this machine's clock",
  },
  CERT_SIGNATURE_FAILURE: {
    cause: "chain",
    words: "has a signature that its issuer did not make",
    fix: "check that the trust bundle holds the present authority, not an older one of the same name",
  },
  INVALID_PURPOSE: {
    cause: "wrong-purpose",
    words: "or its chain is not meant for this purpose",
    fix: "issue it with the right extended key usage",
  },
  INVALID_CA: {
    cause: "chain",
    words: "was issued by a certificate that is not an authority's",
    fix: "issue it from a real authority (basicConstraints CA:TRUE)",
  },
  PATH_LENGTH_EXCEEDED: {
    cause: "chain",
    words: "has more authorities above it than one of them allows",
    fix: "issue it from an authority higher up",
  },
  CERT_CHAIN_TOO_LONG: {
    cause: "chain",
    words: "has a chain that is too long",
    fix: "shorten the chain",
  },
  // Node's name for every verdict that it has none for.
  UNSPECIFIED: {
    cause: "chain",
    words:
      "breaks a rule of its chain: a name constraint, or a critical extension that is not known",
    fix: "check it with `openssl verify -CAfile BUNDLE -untrusted INTERMEDIATES CERTIFICATE`",
  },
  CERT_REVOKED: { cause: "chain", words: "was revoked", fix: "issue the peer a new certificate" },
  EE_KEY_TOO_SMALL: { cause: "weak-key", words: "has a weak key", fix: "use ECDSA P-256" },
  CA_KEY_TOO_SMALL: {
    cause: "weak-key",
    words: "was issued by an authority with a weak key",
    fix: "use an authority with ECDSA P-256 or RSA of 2048 bits and more",
  },
  CA_MD_TOO_WEAK: {
    cause: "weak-signature",
    words: "has a chain signed with a weak digest",
    fix: "let the authority sign with SHA-256 or better",
  },
};

/** A bad verdict as a problem. */
export function problemOf(code: string | undefined): Problem {
  const row = ROWS[code ?? ""];
  if (row !== undefined) return row;
  if (code !== undefined && UNKNOWN_AUTHORITY.includes(code)) {
    return {
      cause: "unknown-authority",
      words: "does not chain to the trust bundle",
      fix: "add its authority to the trust bundle, or issue it from one that is there",
    };
  }
  return {
    cause: "chain",
    words: `was refused by OpenSSL (${code ?? "no code"})`,
    fix: "check the certificate and its chain with `openssl verify`",
  };
}

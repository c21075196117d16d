/** Why a CRL or an OCSP answer is not taken: a constant cause for logs and tests, and words. */
import { AgentError, isAgentError } from "../../base/errors.ts";

export type RefusalCause =
  | "malformed"
  | "too-large"
  | "algorithm"
  | "signature"
  | "unknown-issuer"
  | "critical-extension"
  | "delta"
  | "indirect"
  | "partitioned"
  | "went-back"
  | "future"
  | "expired"
  | "other-certificate"
  | "responder"
  | "fetch";

const FIXES: Readonly<Record<RefusalCause, string>> = {
  malformed: "let the authority make it again; `openssl crl -in FILE -text` reads a whole one",
  "too-large": "let expired certificates leave the CRL, or use OCSP",
  algorithm: "let the authority sign with SHA-256 or better",
  signature:
    "take it from the authority itself; a CRL of another authority of the same name is of no use",
  "unknown-issuer":
    "add the authority that issues the peers' certificates to the trust bundle (or its certificate to the CRL file)",
  "critical-extension": "let the authority make a plain CRL of version 2",
  delta: "name the full CRL, not a delta",
  indirect: "name the CRL of the authority itself, not one that others sign for it",
  partitioned: "name the CRL that covers all reasons and all certificates of the authority",
  "went-back":
    "if the authority was set up anew with its old key, remove the kept copy from revocation.cache_dir; otherwise somebody replays an old list",
  future: "compare the clocks of this machine and of the authority",
  expired: "see why the authority or its responder gives out old answers",
  "other-certificate": "check that the responder knows this authority",
  responder: "see the responder's own log; it will be asked again",
  fetch: "check the address and the network; it will be tried again",
};

/** The error of a refusal: `fields.cause` and `fields.fix` say what and what to do. */
export function refuse(cause: RefusalCause, words: string, error?: unknown): AgentError {
  const fields = { cause, fix: FIXES[cause] };
  return new AgentError(
    "ERR_REVOCATION_SOURCE",
    words,
    error === undefined ? { fields } : { fields, cause: error },
  );
}

/** The cause of a refusal; anything else that was thrown is `malformed`. */
export function refusalCause(thrown: unknown): RefusalCause {
  if (!isAgentError(thrown, "ERR_REVOCATION_SOURCE")) return "malformed";
  return thrown.fields["cause"] as RefusalCause;
}

export function refusalFix(cause: RefusalCause): string {
  return FIXES[cause];
}

/**
 * What the validator says of a candidate: every reason, each with a code and a fix.
 */
import type { KeyObject } from "node:crypto";
import type { TlsMaterial } from "../tls-material.ts";
import type { Certificate } from "../x509/certificate.ts";

/** What somebody wants to put in force. */
export interface Candidate {
  /** In any order, with or without root. */
  readonly chainPem: string;
  readonly trustBundlePem: string;
  /** What Node's TLS takes as key. */
  readonly tlsKey: string | KeyObject;
  readonly publicKey: KeyObject;
}

export interface Reason {
  /** Stable, for machines: `expired`, `key-mismatch`, `unknown-authority`, ... */
  readonly code: string;
  readonly words: string;
  /** Imperative, one line. */
  readonly fix: string;
}

export interface CandidateReport {
  /** Empty: the candidate may go in force. */
  readonly reasons: readonly Reason[];
  /** In force all the same, but deserves a look. */
  readonly warnings: readonly Reason[];
  /** As far as it could be read. */
  readonly leaf: Certificate | undefined;
  /** With the chain put in order, without the root; only when there is no reason against it. */
  readonly material: TlsMaterial | undefined;
}

/**
 * What goes into the validator and what comes out: a candidate for the device's identity, what stands
 * around it, and every reason against it, each with a code and a fix.
 */
import type { KeyObject } from "node:crypto";
import type { TimeView } from "../time/time-view.ts";
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

/** What a certificate of this device is used for; most are for both. */
export type CandidateRole = "server" | "client";

/** What an operator may allow by configuration or on the command line; everything is off by default. */
export interface CandidatePolicy {
  /** Put a certificate in force whose time has not come, as far as this machine's wrong clock knows. */
  readonly tolerateNotYetValid?: boolean;
  /**
   * An authority made it in answer to us, perhaps before this start: a wrong clock's word that it has not begun
   * does not count where what is proven of the time says that it has.
   */
  readonly answered?: boolean;
  /** For how long after its end a certificate still counts, ms; default 0. */
  readonly expiryGraceMs?: number;
  /** Go back to a certificate that was issued before the one in force. */
  readonly allowOlder?: boolean;
  /** Become another device: another SPIFFE ID or common name than that in force. */
  readonly allowOtherIdentity?: boolean;
  /** Turn deviations from the profile of RFC 5280 that harm nobody (default: warnings) into reasons. */
  readonly strictProfile?: boolean;
}

/** What stands around a candidate. */
export interface CandidateContext {
  readonly time: TimeView;
  /** What is in force; `undefined` on an empty store. */
  readonly current?: Pick<TlsMaterial, "chainPem" | "trustBundlePem"> | undefined;
  /** As configured; each `undefined` is taken from what is in force. */
  readonly expected?: {
    readonly spiffeId?: string | undefined;
    readonly commonName?: string | undefined;
    /** DNS names and IP addresses that the certificate must name. */
    readonly hosts?: readonly string[] | undefined;
  };
  /** Default both. */
  readonly roles?: readonly CandidateRole[];
  readonly policy?: CandidatePolicy;
  /** Revocation lists, PEM; with any, OpenSSL wants one for each authority of the chain. */
  readonly crlsPem?: readonly string[];
  /** Authorities between leaf and root, those that renew themselves not counted; default 8. */
  readonly maxIntermediates?: number;
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

/** What a trial handshake shows and is judged by. */
export interface TrialMaterial {
  /** Leaf first. */
  readonly chainPem: string;
  readonly tlsKey: string | KeyObject;
  readonly trustBundlePem: string;
  readonly crlsPem?: readonly string[];
}

/** OpenSSL's verdict on the chain in one role, by Node's code; `undefined`: good. */
export type TrialVerdict = string | undefined;

export type TrialOutcome =
  | { readonly kind: "done"; readonly server: TrialVerdict; readonly client: TrialVerdict }
  /** There was no handshake; `cause` is OpenSSL's name of the fault, never text out of a key. */
  | { readonly kind: "failed"; readonly step: "load" | "handshake"; readonly cause: string };

/**
 * The port by which the validator asks OpenSSL: one TLS 1.3 handshake of the material with itself, in
 * memory, each end showing the chain and judging the other's. It always ends, and never rejects.
 */
export interface HandshakeTrial {
  run(material: TrialMaterial): Promise<TrialOutcome>;
}

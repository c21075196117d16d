/**
 * Who is at the other end of a connection: read once per connection from the peer's certificate,
 * and part of every call's context and log line.
 */
export interface CertificateSummary {
  /** Distinguished names in RFC 4514 order, as one line. */
  readonly subject: string;
  readonly issuer: string;
  /** Unix milliseconds, both inclusive (RFC 5280 section 4.1.2.5). */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Upper-case hexadecimal, no colons. */
  readonly serial: string;
  /** SHA-256 of the DER, lower-case hexadecimal, no colons. */
  readonly fingerprint: string;
}

/** The one role of a peer that was let in without passing every check. */
export const UNVERIFIED_ROLE = "unverified";

export interface Principal {
  /** `true` only if OpenSSL's verdict and every check of ours were good. */
  readonly verified: boolean;
  /** Common name of the subject; empty if none. Counts only when `verified`. */
  readonly cn: string;
  /** SPIFFE ID from the one URI SAN, if it is one. Counts only when `verified`. */
  readonly spiffeId: string | undefined;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** `undefined` when the peer sent no certificate. */
  readonly certificate: CertificateSummary | undefined;
  /**
   * The trust domains whose bundles vouch for the certificate; the empty name is the domain of `tls.ca`.
   * Empty for an unverified peer.
   */
  readonly trustDomains: readonly string[];
  /** Roles that do not depend on the policy; `unverified` is the only one of an unverified peer. */
  readonly roles: readonly string[];
  /** Remote address and port, as `host:port`, for logs. */
  readonly remote: string;
  /** Why enforcing would refuse this peer; only in `observe` and insecure mode. */
  readonly refusal: string | undefined;
}

/** A short name for logs: the SPIFFE ID, else the CN, else the address. */
export function principalName(principal: Principal): string {
  if (principal.spiffeId !== undefined) return principal.spiffeId;
  if (principal.cn !== "") return `CN=${principal.cn}`;
  return principal.remote;
}

/**
 * What `microedge tls probe` finds out, as values; the command line prints them.
 */
import type { Problem } from "../identity/peer-checks.ts";
import { formatMoment } from "../identity/span-words.ts";
import type { Certificate } from "../identity/x509/certificate.ts";

export interface ProbedCertificate {
  readonly subject: string;
  readonly issuer: string;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly uris: readonly string[];
  /** ISO 8601, whole seconds. */
  readonly notBefore: string;
  readonly notAfter: string;
  readonly selfSigned: boolean;
  readonly ca: boolean;
  /** SHA-256, lower-case hexadecimal. */
  readonly fingerprint: string;
}

/**
 * What the server thinks of client certificates.
 * - `accepted`: it turned a connection without one away, and took ours.
 * - `refused`: it turned ours away.
 * - `demanded`: it wants one, and we have none to show.
 * - `not-demanded`: a connection without one was not turned away.
 * - `unknown`: the handshake did not get that far.
 */
export type ClientCertificateAnswer =
  | "accepted"
  | "refused"
  | "demanded"
  | "not-demanded"
  | "unknown";

/**
 * How our certificate was turned away. `alert`: a TLS alert, `answer`: a go-micro error; both under the
 * connection's keys, so that only the server can have said it. `hang-up`: the connection ended after the
 * handshake, `handshake`: an alert amid it; anybody on the way can do that.
 */
export type Refusal = "alert" | "answer" | "hang-up" | "handshake";

export interface Finding {
  readonly level: "ok" | "warn" | "fail";
  /** Stable: `dns`, `tcp`, `plain-http`, `not-tls`, `handshake`, `tls-version`, `chain`, `client-certificate`, or the cause of a problem with the server's certificate. */
  readonly id: string;
  readonly words: string;
  /** What to do; empty when nothing is. */
  readonly fix: string;
}

export interface ProbeResult {
  readonly host: string;
  readonly port: number;
  /** The name that the certificate had to carry. */
  readonly serverName: string;
  readonly addresses: readonly string[];
  /** The address that answered; `undefined` if none did. */
  readonly connectedTo: string | undefined;
  readonly protocol: string | undefined;
  readonly cipher: string | undefined;
  readonly group: string | undefined;
  readonly alpn: string | undefined;
  /** As the server sent it, leaf first. */
  readonly chain: readonly ProbedCertificate[];
  /** Our verdict on the server; `undefined` without trust bundle or handshake. */
  readonly serverAccepted: boolean | undefined;
  readonly clientCertificate: ClientCertificateAnswer;
  /** `undefined` when ours was not turned away. */
  readonly refusal: Refusal | undefined;
  readonly findings: readonly Finding[];
  /** No finding is a failure. */
  readonly ok: boolean;
}

export function probedCertificate(certificate: Certificate): ProbedCertificate {
  const { summary, names, selfSigned, ca } = certificate;
  return {
    subject: summary.subject,
    issuer: summary.issuer,
    dnsNames: names.dnsNames,
    ipAddresses: names.ipAddresses,
    uris: names.uris,
    notBefore: formatMoment(summary.notBefore),
    notAfter: formatMoment(summary.notAfter),
    selfSigned,
    ca,
    fingerprint: summary.fingerprint,
  };
}

export function failure(id: string, words: string, fix: string): Finding {
  return { level: "fail", id, words, fix };
}

export function good(id: string, words: string): Finding {
  return { level: "ok", id, words, fix: "" };
}

/** Problems with the server's certificate, as findings. */
export function certificateFindings(problems: readonly Problem[]): Finding[] {
  return problems.map(({ cause, words, fix }) =>
    failure(cause, cause === "no-certificate" ? words : `server certificate ${words}`, fix),
  );
}

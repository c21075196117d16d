/**
 * The certificates that a peer sent above its own, which explain a refusal and name the issuer to
 * revocation.
 */
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import type { TrustBundle } from "../identity/trust-bundle.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";

/** Certificates that are looked at. */
const MAX_SENT = 8;

/**
 * Each issued by the next, from the leaf's issuer up. Those of `bundle` are left out: Node completes the
 * chain from it, and does not tell which of them were sent.
 *
 * @param bundle What the socket's context trusts. Empty result when {@link goesInCircles}.
 * @throws AgentError `ERR_CERT_INVALID` if one can't be read.
 */
export function sentChain(socket: TLSSocket, bundle: TrustBundle): Certificate[] {
  if (goesInCircles(bundle)) return [];
  const known = new Set(bundle.map(({ summary }) => summary.fingerprint));
  const chain: Certificate[] = [];
  // Node's types know neither the end of a chain nor a socket that is closed.
  let at = socket.getPeerCertificate(true) as DetailedPeerCertificate | null | undefined;
  let above = at?.issuerCertificate;
  while (above !== undefined && above !== at && chain.length < MAX_SENT) {
    const certificate = parseCertificate(above.raw);
    if (!known.has(certificate.summary.fingerprint)) chain.push(certificate);
    at = above;
    above = at.issuerCertificate;
  }
  return chain;
}

/**
 * Whether authorities of a bundle issued each other and would be followed for ever: Node looks up the
 * issuer of the last certificate in the bundle, and its issuer, until one is its own (measured: it ends
 * out of memory). By names, as strictly as possible; linear.
 */
export function goesInCircles(bundle: TrustBundle): boolean {
  const issuers = new Map<string, Set<string>>();
  for (const { x509, summary } of bundle) {
    if (x509.checkIssued(x509)) continue;
    const subject = nameKey(summary.subject);
    const above = issuers.get(subject) ?? new Set();
    issuers.set(subject, above.add(nameKey(summary.issuer)));
  }
  // What has no issuer here ends; so does what is issued by such only. Whatever is left goes round.
  let before: number;
  do {
    before = issuers.size;
    for (const [subject, above] of issuers) {
      if (![...above].some((name) => issuers.has(name))) issuers.delete(subject);
    }
  } while (issuers.size < before);
  return issuers.size > 0;
}

/** OpenSSL compares names without regard to case and spaces. */
function nameKey(name: string): string {
  return name.toLowerCase().replaceAll(/\s/g, "");
}

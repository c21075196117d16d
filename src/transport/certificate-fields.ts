/**
 * A certificate in a log line about a handshake: whose it is, who issued it and from when to when.
 */
import type { LogFields } from "../base/log.ts";
import { formatMoment } from "../identity/span-words.ts";
import type { Certificate } from "../identity/x509/certificate.ts";

export function certificateFields(certificate: Certificate | undefined): LogFields {
  if (certificate === undefined) return {};
  const { subject, issuer, notBefore, notAfter, serial, fingerprint } = certificate.summary;
  return {
    subject,
    issuer,
    not_before: formatMoment(notBefore),
    not_after: formatMoment(notAfter),
    serial,
    fingerprint,
  };
}

/**
 * The two debug lines about a connection: who came, with everything that its certificate says, and how
 * long it stayed. The lines of its calls carry only a short name and the address, by which they are found.
 */
import type { LogFields } from "../../base/log.ts";
import type { Principal } from "../../base/principal.ts";

/** What to log of a peer when its connection opens. */
export function identityFields(principal: Principal): LogFields {
  const { verified, spiffeId, dnsNames, ipAddresses, certificate, refusal } = principal;
  return {
    verified,
    subject: certificate?.subject,
    issuer: certificate?.issuer,
    serial: certificate?.serial,
    fingerprint: certificate?.fingerprint,
    spiffe_id: spiffeId,
    dns_names: dnsNames.length === 0 ? undefined : dnsNames,
    ip_addresses: ipAddresses.length === 0 ? undefined : ipAddresses,
    refusal,
  };
}

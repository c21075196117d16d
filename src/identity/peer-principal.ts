/**
 * From a judged certificate to a {@link Principal}. Only a verified peer can have a role other than
 * `unverified`; names of an unverified one are there to be read, not to be believed.
 */
import { type Principal, UNVERIFIED_ROLE } from "../base/principal.ts";
import type { Certificate } from "./x509/certificate.ts";
import { spiffeIdFault } from "./x509/spiffe-id.ts";

/** Where a verified peer stands when nobody asked: the one bundle there is vouched for it. */
const OWN_DOMAIN_ONLY: readonly string[] = [""];
const NO_DOMAIN: readonly string[] = [];

export interface PeerFacts {
  readonly certificate: Certificate | undefined;
  /** Every check passed. */
  readonly verified: boolean;
  /** Trust domains that vouch for a verified peer; default: that of `tls.ca`. */
  readonly trustDomains?: readonly string[];
  /** Why enforcing would refuse; `undefined` when verified. */
  readonly refusal: string | undefined;
  /** `host:port`. */
  readonly remote: string;
}

export function principalOf(facts: PeerFacts): Principal {
  const { certificate, verified, refusal, remote, trustDomains = OWN_DOMAIN_ONLY } = facts;
  const [cn, ...moreNames] = certificate?.commonNames ?? [];
  const [uri, ...moreUris] = certificate?.names.uris ?? [];
  return {
    verified,
    cn: moreNames.length === 0 ? (cn ?? "") : "",
    spiffeId:
      uri !== undefined && moreUris.length === 0 && spiffeIdFault(uri) === undefined
        ? uri
        : undefined,
    dnsNames: certificate?.names.dnsNames ?? [],
    ipAddresses: certificate?.names.ipAddresses ?? [],
    certificate: certificate?.summary,
    trustDomains: verified ? trustDomains : NO_DOMAIN,
    roles: verified ? [] : [UNVERIFIED_ROLE],
    remote,
    refusal,
  };
}

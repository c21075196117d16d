/**
 * From a judged certificate to a {@link Principal}. Only a verified peer can have a role other than
 * `unverified`; names of an unverified one are there to be read, not to be believed.
 */
import type { Principal } from "../base/principal.ts";
import type { Certificate } from "./x509/certificate.ts";
import { spiffeIdFault } from "./x509/spiffe-id.ts";

/** The one role of a peer that was let in without passing every check. */
export const UNVERIFIED_ROLE = "unverified";

export interface PeerFacts {
  readonly certificate: Certificate | undefined;
  /** Every check passed. */
  readonly verified: boolean;
  /** Why enforcing would refuse; `undefined` when verified. */
  readonly refusal: string | undefined;
  /** `host:port`. */
  readonly remote: string;
}

export function principalOf({ certificate, verified, refusal, remote }: PeerFacts): Principal {
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
    roles: verified ? [] : [UNVERIFIED_ROLE],
    remote,
    refusal,
  };
}

/** One inbound connection on its way from TCP to the RPC room. */
import type { Socket } from "node:net";
import type { Principal } from "../base/principal.ts";
import { addressKey } from "../guard/address-key.ts";
import type { Timer } from "../host/clock.ts";
import { principalOf } from "../identity/peer-principal.ts";
import type { TrustDomain } from "../identity/trust-domain.ts";
import type { Seat } from "./admission.ts";
import type { JudgedPeer } from "./peer-certificates.ts";

export interface Visitor extends Seat {
  readonly raw: Socket;
  /** For as long as it is counted, also when the socket has gone. */
  readonly address: string;
  /** `host:port`. */
  readonly remote: string;
  readonly key: string;
  socket: Socket;
  timer: Timer | undefined;
  first: Uint8Array;
  /**
   * As its handshake began, which OpenSSL judges by them to the end: placed in others, it could pass for
   * a peer of a domain that never vouched for it.
   */
  domains: readonly TrustDomain[];
}

/** A connection that was let in although enforcing would have refused it. */
export interface Observed {
  readonly visitor: Visitor;
  readonly judged: JudgedPeer;
  readonly words: string;
}

/** Whose connection it is: of a certificate, or of the host where nobody vouches for the certificate. */
export function peerOf({ verified, certificate }: Principal, { address }: Visitor): string {
  return (verified && certificate?.fingerprint) || addressKey(address);
}

/** Whoever comes without TLS. */
export function plainPrincipal(remote: string): Principal {
  const refusal = "the connection is not encrypted";
  return principalOf({ certificate: undefined, verified: false, refusal, remote });
}

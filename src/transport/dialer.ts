/**
 * The port by which an RPC client gets connections. (Interface only: the dialer itself implements it.)
 */
import type { PeerConnection } from "./peer-connection.ts";

export interface DialTarget {
  /** Host name or IP address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Name that the peer's certificate must carry, when it is not `host`. */
  readonly serverName?: string;
  /** Protocols to offer; `["http/1.1"]` for mucp. */
  readonly alpn: readonly string[];
}

export interface Dialer {
  /**
   * Connects, shakes hands, checks the peer.
   *
   * @throws AgentError `ERR_RPC_CONNECT` (DNS, TCP, proxy), `ERR_TLS_HANDSHAKE`,
   *   `ERR_TLS_PEER_REFUSED` (message says which of unknown authority, expired, wrong name, ...).
   */
  dial(target: DialTarget, signal: AbortSignal): Promise<PeerConnection>;
}

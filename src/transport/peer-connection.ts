/**
 * A connection that has passed the handshake and our check of the peer; not one byte of a request has
 * been parsed yet. The RPC room reads and writes it.
 */
import type { Socket } from "node:net";
import type { Principal } from "../base/principal.ts";

export interface PeerConnection {
  /** A TLS socket, or a plain one in insecure development mode. */
  readonly socket: Socket;
  readonly principal: Principal;
  /** Negotiated ALPN protocol; `undefined` when the peer offered none (go-micro servers accept that). */
  readonly alpn: string | undefined;
  /**
   * Tells the listener that no call is in flight (`true`) or that one is. An idle connection may be
   * closed to make room for a newly verified peer; one that never says so is never closed for that.
   * Only on inbound connections.
   */
  setIdle?(idle: boolean): void;
}

/** Takes over a connection; returns nothing, owns the socket from then on. */
export type ConnectionHandler = (connection: PeerConnection) => void;

/**
 * How the two ends of a socket are written.
 */
import type { Socket } from "node:net";

/** `host:port`, an IPv6 host in brackets. */
export function remoteOf({ remoteAddress = "unknown", remotePort = 0 }: Socket): string {
  return `${remoteAddress.includes(":") ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`;
}

/** The host of what {@link remoteOf} made. */
export function hostOf(remote: string): string {
  return remote.slice(0, remote.lastIndexOf(":"));
}

/** Tells this connection from all others that are open. */
export function keyOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

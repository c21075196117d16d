/**
 * How the agent calls itself: its own listener, over the same TLS as everybody else. Pure.
 */

import { namesHost } from "../identity/name-match.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import { formatAddress, type NodeAddress } from "../registry/address.ts";

export interface OwnNode {
  /** `host:port` that reaches the listener from this machine. */
  readonly address: string;
  /** Name to expect in our certificate, when it does not name the host of the address. */
  readonly serverName: string | undefined;
}

/**
 * @param bound Address that the listener is bound to; "all addresses" is reached by loopback.
 * @param leaf Our own certificate; `undefined` without TLS.
 */
export function ownNode(bound: NodeAddress, leaf: Certificate | undefined): OwnNode {
  const loopback: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  const host = loopback[bound.host] ?? bound.host;
  const address = formatAddress({ host, port: bound.port });
  if (leaf === undefined || namesHost(leaf.names, host)) return { address, serverName: undefined };
  const [name] = [
    ...leaf.names.dnsNames.filter((each) => !each.includes("*")),
    ...leaf.names.ipAddresses,
  ];
  return { address, serverName: name };
}

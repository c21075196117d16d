/**
 * The door to name resolution and TCP, so that tests can play dead addresses and slow resolvers.
 */
import { lookup } from "node:dns/promises";
import { connect, type Socket } from "node:net";

export interface NetworkAddress {
  /** IPv4 or IPv6 in text form. */
  readonly address: string;
  readonly family: 4 | 6;
}

export interface Network {
  /**
   * All addresses of a name, in the system's order (RFC 6724). May hang as long as the system's
   * resolver does; the caller sets the limit and walks away.
   */
  lookup(host: string): Promise<readonly NetworkAddress[]>;
  /** Begins to connect; the socket emits `connect` or `error`. */
  connect(address: NetworkAddress, port: number): Socket;
  /**
   * Told by whoever set out for a target whether it got there, a proxy's tunnel included; absent where
   * nobody listens.
   *
   * @param host As it was asked for: a name or an address.
   */
  outcome?(host: string, reached: boolean): void;
}

/** TCP keep-alive finds a peer that vanished while its connection lies in a pool. */
const KEEP_ALIVE_MS = 30_000;

export const systemNetwork: Network = {
  async lookup(host) {
    const found = await lookup(host, { all: true, order: "verbatim" });
    return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
  },
  connect: ({ address, family }, port) =>
    connect({
      host: address,
      port,
      family,
      // Node's own choice among addresses gives slow ones up; ours is in transport/happy-eyeballs.ts.
      autoSelectFamily: false,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    }),
};

/**
 * Whether an address may connect now; asked when TCP has accepted and nothing else has been spent.
 */
export interface AddressGate {
  /**
   * @param contended Somebody else is in a handshake, or waits for one.
   * @returns Why not, as the cause under which it is counted; `undefined` lets it in.
   */
  admit(address: string, contended: boolean): string | undefined;
  /** A connection of this address did not become a peer: its handshake or its certificate was no good. */
  failed(address: string): void;
}

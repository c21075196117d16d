/**
 * Bounds what all connections together make the server hold: bodies that are not complete, requests
 * that wait for their handler, replies that their peer does not read.
 *
 * Limits of one connection are not enough: two hundred peers, each within them, hold gigabytes. Beyond
 * the limit the one who holds the most is let go: of the peer with the largest sum over its
 * connections, the connection that holds the most. So a peer that hoards never costs another its place.
 */
import { AgentError } from "../../base/errors.ts";
import type { Principal } from "../../base/principal.ts";

export interface Holder {
  /** Who is at the other end: what one peer holds by several connections counts together. */
  readonly peerKey: string;
  /** It takes our answers, so it can be told why it has to go. */
  readonly listens: boolean;
  /** Lets go of what is held; states a smaller number soon. */
  shed(error: AgentError): void;
}

/**
 * The certificate, for a peer may have many connections; the host of one that is not verified, which can
 * make as many certificates as it likes.
 */
export function peerKeyOf({ verified, certificate, remote }: Principal): string {
  if (verified && certificate !== undefined) return certificate.fingerprint;
  return remote.slice(0, remote.lastIndexOf(":"));
}

export class BufferBudget {
  readonly #limitBytes: number;
  readonly #held = new Map<Holder, number>();
  #total = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes held by all. */
  get total(): number {
    return this.#total;
  }

  /** States how many bytes `holder` makes us hold now; somebody is let go if that is too much. */
  state(holder: Holder, bytes: number): void {
    this.#set(holder, bytes);
    while (this.#total > this.#limitBytes) {
      const greediest = this.#greediest();
      if (greediest === undefined) return;
      // Forgotten first: it may state what is left of it from within `shed`.
      this.#set(greediest, 0);
      greediest.shed(
        new AgentError(
          "ERR_RPC_OVERLOADED",
          `the agent holds ${this.#limitBytes} bytes of unfinished messages, the most it may`,
        ),
      );
    }
  }

  #set(holder: Holder, bytes: number): void {
    this.#total += bytes - (this.#held.get(holder) ?? 0);
    if (bytes === 0) this.#held.delete(holder);
    else this.#held.set(holder, bytes);
  }

  #greediest(): Holder | undefined {
    const sums = new Map<string, number>();
    for (const [{ peerKey }, bytes] of this.#held) {
      sums.set(peerKey, (sums.get(peerKey) ?? 0) + bytes);
    }
    const [peerKey] = largest(sums) ?? [];
    const own = new Map([...this.#held].filter(([holder]) => holder.peerKey === peerKey));
    const [greediest, most] = largest(own) ?? [];
    if (greediest === undefined || most === undefined || greediest.listens) return greediest;
    // An answer cut off is a call lost: rather refuse one that is hardly smaller.
    const listening = new Map([...own].filter(([holder]) => holder.listens));
    const [other, bytes = 0] = largest(listening) ?? [];
    return bytes * 2 >= most ? other : greediest;
  }
}

function largest<K>(sizes: ReadonlyMap<K, number>): [K, number] | undefined {
  let found: [K, number] | undefined;
  for (const entry of sizes) if (found === undefined || entry[1] > found[1]) found = entry;
  return found;
}

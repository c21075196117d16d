/**
 * The door to the network as the agent has it: every connection that anybody opens, whatever for, counts on
 * the budget of all outgoing work, and so does a name that can't be resolved. It refuses nothing: what can
 * wait asks the budget first.
 */
import type { Socket } from "node:net";
import { isLoopback } from "../base/loopback.ts";
import type { Network, NetworkAddress } from "../host/network.ts";

/** Who counts (`AttemptBudget`) and who learns from it (`NetworkSigns`). */
export interface OutgoingCount {
  spend(): void;
  reached(host: string): void;
  missed(host: string): void;
}

export class CountedNetwork implements Network {
  readonly #network: Network;
  #count: OutgoingCount | undefined;
  /** Opened before anybody counted. */
  #early = 0;

  constructor(network: Network) {
    this.#network = network;
  }

  /** From now on; what was opened before is made up for. */
  countBy(count: OutgoingCount): void {
    for (; this.#early > 0; this.#early -= 1) count.spend();
    this.#count = count;
  }

  async lookup(host: string): Promise<readonly NetworkAddress[]> {
    try {
      return await this.#network.lookup(host);
    } catch (error) {
      this.#spend();
      throw error;
    }
  }

  connect(address: NetworkAddress, port: number): Socket {
    this.#spend();
    return this.#network.connect(address, port);
  }

  /** What is on this machine says nothing about the network. */
  outcome(host: string, reached: boolean): void {
    if (isLoopback(host) || host === "localhost") return;
    if (reached) this.#count?.reached(host);
    else this.#count?.missed(host);
  }

  #spend(): void {
    if (this.#count === undefined) this.#early += 1;
    else this.#count.spend();
  }
}

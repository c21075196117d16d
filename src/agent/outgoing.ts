/**
 * All that goes out of this device, in one place: the network that counts it, the budget it counts on, and
 * what is learned from it about the network.
 */
import { AttemptBudget } from "../queue/attempt-budget.ts";
import { NetworkSigns } from "../queue/network-signs.ts";
import { CountedNetwork } from "../transport/counted-network.ts";
import type { AgentPorts } from "./agent-ports.ts";

export class Outgoing implements Disposable {
  /** The ports of the machine, with the network that counts. */
  readonly ports: AgentPorts;
  readonly signs: NetworkSigns;
  readonly #network: CountedNetwork;

  constructor(ports: AgentPorts) {
    const { clock, random, network } = ports;
    this.#network = new CountedNetwork(network);
    this.ports = { ...ports, network: this.#network };
    this.signs = new NetworkSigns({ clock, random });
  }

  /**
   * From now on everything counts.
   *
   * @param kept The budget that outlives a restart; without one it lives in memory.
   */
  countOn(kept: AttemptBudget | undefined): AttemptBudget {
    const budget = kept ?? this.#inMemory();
    const { signs } = this;
    this.#network.countBy({
      spend: () => budget.spend(),
      reached: (host) => signs.reached(host),
      missed: (host) => signs.missed(host),
    });
    signs.listen({ returned: () => budget.comeBack() });
    return budget;
  }

  [Symbol.dispose](): void {
    this.signs[Symbol.dispose]();
  }

  /** Where nobody knows when the power came up, nothing is spread over the minute after that. */
  #inMemory(): AttemptBudget {
    const { clock, random } = this.ports;
    const device = Buffer.from(random.bytes(8)).toString("hex");
    const sinceBootMs = this.ports.bootTimeMs() ?? Number.POSITIVE_INFINITY;
    return new AttemptBudget({ clock, random, device, sinceBootMs });
  }
}

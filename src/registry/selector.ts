/**
 * Chooses a node for a call, and lets nodes that failed rest.
 *
 * A node that failed rests for `restMs`, twice as long after each further failure, `maxRestMs` at
 * most. When its rest is over, one call at a time tries it; the first success ends its bad name. If
 * every node rests, the one whose rest ends first is tried: a refused call would help nobody.
 *
 * go-micro's own blacklist forgets a node's failures after 30 s without growing; growing spares a
 * battery and a mobile-data bill when a node is gone for good.
 */
import { AgentError } from "../base/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import type { ServiceNode } from "./record.ts";

export type SelectorStrategy = "random" | "round-robin";

export interface SelectorOptions {
  readonly strategy: SelectorStrategy;
  /** Rest after the first failure. */
  readonly restMs: number;
  /** No rest is longer. */
  readonly maxRestMs?: number;
  /** Told when a node begins to rest, for the log. */
  readonly onRest?: (rest: NodeRest) => void;
}

export interface NodeRest {
  readonly address: string;
  /** Failures in a row. */
  readonly failures: number;
  /** Milliseconds until it is tried again; 0 when it is due. */
  readonly restMs: number;
}

/** `neutral`: the outcome says nothing about the node (the caller gave up). */
export type NodeOutcome = "good" | "failed" | "neutral";

interface Ailing {
  failures: number;
  /** Monotonic milliseconds. */
  dueAt: number;
  /** A call is trying whether it is well again. */
  onTrial: boolean;
}

const DEFAULT_MAX_REST_MS = 5 * 60_000;
/** Failed nodes remembered, so that addresses that come and go never fill the memory. */
const MAX_REMEMBERED = 1024;

export class NodeSelector {
  readonly #options: SelectorOptions;
  readonly #maxRestMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  /** By address: a node that is down is down for all its services. */
  readonly #ailing = new Map<string, Ailing>();
  /** Next turn by service, for round robin. */
  readonly #turns = new Map<string, number>();

  constructor(options: SelectorOptions, clock: Clock, random: Random) {
    this.#options = options;
    this.#maxRestMs = Math.max(options.restMs, options.maxRestMs ?? DEFAULT_MAX_REST_MS);
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * The node for the next attempt. Each pick is followed by one {@link report}.
   *
   * @param tried Addresses that this call has tried in vain; used again only when no other is left.
   * @throws AgentError `ERR_REGISTRY_NOT_FOUND` if there is no node at all.
   */
  pick(service: string, nodes: readonly ServiceNode[], tried?: ReadonlySet<string>): ServiceNode {
    const [first] = nodes;
    if (first === undefined) {
      throw new AgentError("ERR_REGISTRY_NOT_FOUND", `service ${service} has no known node`, {
        fields: { service },
      });
    }
    const allWell = this.#ailing.size === 0 && (tried === undefined || tried.size === 0);
    const node = allWell
      ? this.#choose(service, nodes)
      : this.#pickAmongAiling(service, nodes, tried);
    const ailing = this.#ailing.get(node.address);
    if (ailing !== undefined) ailing.onTrial = true;
    return node;
  }

  /** Says how the attempt went; see {@link NodeOutcome}. */
  report(node: ServiceNode, outcome: NodeOutcome): void {
    const known = this.#ailing.get(node.address);
    if (outcome === "good") {
      if (known !== undefined) this.#ailing.delete(node.address);
      return;
    }
    if (known !== undefined) known.onTrial = false;
    if (outcome === "failed") this.#rest(node.address, known);
  }

  /** Nodes with a bad name now; for status. */
  resting(): readonly NodeRest[] {
    const now = this.#clock.monotonicMs();
    return [...this.#ailing].map(([address, { failures, dueAt }]) => ({
      address,
      failures,
      restMs: Math.max(0, dueAt - now),
    }));
  }

  #pickAmongAiling(
    service: string,
    nodes: readonly ServiceNode[],
    tried: ReadonlySet<string> | undefined,
  ): ServiceNode {
    const fresh = nodes.filter((node) => tried?.has(node.address) !== true);
    const candidates = fresh.length === 0 ? nodes : fresh;
    const now = this.#clock.monotonicMs();
    const ready = candidates.filter((node) => {
      const ailing = this.#ailing.get(node.address);
      return ailing === undefined || (!ailing.onTrial && ailing.dueAt <= now);
    });
    return ready.length === 0 ? this.#leastBad(candidates) : this.#choose(service, ready);
  }

  /** Rest that ends first; of equals the one that failed less often. */
  #leastBad(nodes: readonly ServiceNode[]): ServiceNode {
    const badness = (node: ServiceNode): readonly [number, number] => {
      const ailing = this.#ailing.get(node.address);
      return ailing === undefined ? [0, 0] : [ailing.dueAt, ailing.failures];
    };
    return nodes.reduce((best, node) => {
      const [a, b] = [badness(best), badness(node)];
      return b[0] < a[0] || (b[0] === a[0] && b[1] < a[1]) ? node : best;
    });
  }

  #choose(service: string, nodes: readonly ServiceNode[]): ServiceNode {
    const index = nodes.length === 1 ? 0 : this.#nextIndex(service, nodes.length);
    const node = nodes[index];
    if (node === undefined) throw new RangeError(`no node ${index} of ${nodes.length}`);
    return node;
  }

  #nextIndex(service: string, count: number): number {
    if (this.#options.strategy === "random") return Math.floor(this.#random.draw() * count);
    const turn = this.#turns.get(service) ?? 0;
    this.#turns.set(service, (turn + 1) % Number.MAX_SAFE_INTEGER);
    return turn % count;
  }

  #rest(address: string, known: Ailing | undefined): void {
    const now = this.#clock.monotonicMs();
    // Calls that were under way together fail together: one outage, one failure.
    if (known !== undefined && known.dueAt > now) return;
    const failures = (known?.failures ?? 0) + 1;
    const restMs = Math.min(
      this.#maxRestMs,
      this.#options.restMs * 2 ** Math.min(failures - 1, 30),
    );
    this.#ailing.delete(address);
    this.#ailing.set(address, { failures, dueAt: now + restMs, onTrial: false });
    if (this.#ailing.size > MAX_REMEMBERED) this.#forgetOldest();
    this.#options.onRest?.({ address, failures, restMs });
  }

  #forgetOldest(): void {
    const [oldest] = this.#ailing.keys();
    if (oldest !== undefined) this.#ailing.delete(oldest);
  }
}

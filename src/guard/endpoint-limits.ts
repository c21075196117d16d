/**
 * Limits that belong to an endpoint: one bucket for all its callers, or one for each of them.
 */
import { BucketTable } from "./bucket-table.ts";
import { Buckets } from "./buckets.ts";
import { type Pace, paceOf, type Rate } from "./gcra.ts";
import type { KeyedHash, TextHash } from "./keyed-hash.ts";
import { tableView } from "./limit.ts";
import type { LimitTableView } from "./limits-view.ts";
import type { PeerUse } from "./peer-ledger.ts";

export interface EndpointRate extends Rate {
  /** `service/Handler.Method`. */
  readonly endpoint: string;
}

export interface EndpointRates {
  readonly perEndpoint: readonly EndpointRate[];
  readonly perPeerEndpoint: readonly EndpointRate[];
}

/** A bucket that a call must pay at. */
export interface Toll {
  readonly limit: string;
  readonly buckets: Buckets;
  readonly slot: number;
  readonly pace: Pace;
  readonly counts: { refused: number; waited: number };
}

interface EndpointRule {
  own: { readonly slot: number; readonly pace: Pace } | undefined;
  perPeer: { readonly hash: TextHash; readonly pace: Pace } | undefined;
}

export class EndpointLimits {
  readonly #hash: KeyedHash;
  /** Room for peers times endpoints. */
  readonly #capacity: number;
  #rates: EndpointRates = { perEndpoint: [], perPeerEndpoint: [] };
  /** By service, then endpoint. */
  #rules: ReadonlyMap<string, ReadonlyMap<string, EndpointRule>> = new Map();
  #own = new Buckets(0);
  #perPeer: BucketTable | undefined;
  readonly #ownCounts = { refused: 0, waited: 0 };
  readonly #perPeerCounts = { refused: 0, waited: 0 };

  constructor(hash: KeyedHash, capacity: number) {
    this.#hash = hash;
    this.#capacity = capacity;
  }

  /** Puts new rates in force; what was spent at an endpoint that is limited before and after stays spent. */
  apply(rates: EndpointRates): void {
    const [oldRates, oldBuckets] = [this.#rates, this.#own];
    this.#rates = rates;
    this.#own = new Buckets(rates.perEndpoint.length);
    const rules = new Map<string, Map<string, EndpointRule>>();
    for (const [slot, rate] of rates.perEndpoint.entries()) {
      const before = oldRates.perEndpoint.findIndex(({ endpoint }) => endpoint === rate.endpoint);
      if (before >= 0) this.#own.copy(slot, oldBuckets, before);
      ruleOf(rules, rate.endpoint).own = { slot, pace: paceOf(rate) };
    }
    for (const rate of rates.perPeerEndpoint) {
      const hash = this.#hash.of(rate.endpoint);
      ruleOf(rules, rate.endpoint).perPeer = { hash, pace: paceOf(rate) };
    }
    this.#rules = rules;
    if (rates.perPeerEndpoint.length === 0) this.#perPeer = undefined;
    else this.#perPeer ??= new BucketTable(this.#capacity);
  }

  /** Adds what a call to this endpoint must pay. */
  addTolls(
    tolls: Toll[],
    call: { readonly service: string; readonly endpoint: string },
    peer: PeerUse,
    nowMs: number,
  ): void {
    const rule = this.#rules.get(call.service)?.get(call.endpoint);
    if (rule === undefined) return;
    if (rule.own !== undefined) {
      tolls.push({
        limit: "per_endpoint",
        buckets: this.#own,
        ...rule.own,
        counts: this.#ownCounts,
      });
    }
    const buckets = this.#perPeer;
    if (rule.perPeer === undefined || buckets === undefined) return;
    const { hash, pace } = rule.perPeer;
    // both halves are as good as random, and so is their mixture
    const { tag, place } = peer.key;
    const slot = buckets.locate(tag ^ hash.high, place ^ hash.low, nowMs);
    tolls.push({ limit: "per_peer_endpoint", buckets, slot, pace, counts: this.#perPeerCounts });
  }

  /** Endpoints that have a limit. */
  get endpoints(): readonly string[] {
    const { perEndpoint, perPeerEndpoint } = this.#rates;
    return [...new Set([...perEndpoint, ...perPeerEndpoint].map(({ endpoint }) => endpoint))];
  }

  tables(nowMs: number): readonly LimitTableView[] {
    const { perEndpoint, perPeerEndpoint } = this.#rates;
    const views: LimitTableView[] = [];
    if (perEndpoint.length > 0) {
      views.push(tableView("per_endpoint", this.#own, this.#ownCounts, perEndpoint, nowMs));
    }
    if (this.#perPeer !== undefined) {
      const counts = this.#perPeerCounts;
      views.push(tableView("per_peer_endpoint", this.#perPeer, counts, perPeerEndpoint, nowMs));
    }
    return views;
  }
}

function ruleOf(rules: Map<string, Map<string, EndpointRule>>, name: string): EndpointRule {
  const slash = name.indexOf("/");
  const [service, endpoint] = [name.slice(0, slash), name.slice(slash + 1)];
  const endpoints = rules.get(service) ?? new Map<string, EndpointRule>();
  rules.set(service, endpoints);
  const rule = endpoints.get(endpoint) ?? { own: undefined, perPeer: undefined };
  endpoints.set(endpoint, rule);
  return rule;
}

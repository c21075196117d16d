/**
 * Which calls may go on now: by peer, by endpoint, by both, and for the whole agent; how often, and how
 * many at a time. A call that is refused spends nothing.
 *
 * First comes how many are in progress, then every rate; only when all agree is a call charged to any of
 * them. A call that does not fit now but soon enough takes its turn and is held until then. Turns are
 * given in the order of arrival, so nobody is overtaken. What is held is bounded by number, by the wait
 * that each limit allows, and by the caller's own deadline.
 */
import { AgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Principal } from "../base/principal.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import { BucketTable, MAX_CAPACITY } from "./bucket-table.ts";
import { Buckets } from "./buckets.ts";
import { EndpointLimits, type EndpointRates, type Toll } from "./endpoint-limits.ts";
import type { Rate } from "./gcra.ts";
import { type Concurrency, InFlight, type OccupyingCall } from "./in-flight.ts";
import { KeyedHash } from "./keyed-hash.ts";
import { type Limit, withRate } from "./limit.ts";
import type { LimitsView } from "./limits-view.ts";
import { PeerLedger, type PeerUse } from "./peer-ledger.ts";

export interface CallRates extends EndpointRates, Concurrency {
  readonly perPeer: Rate | undefined;
  /** For all calls together. */
  readonly agent: Rate | undefined;
}

export interface CallLimitsParts {
  /** Room in the table of peers; that of peers and endpoints has four times as much. */
  readonly trackedPeers: number;
  readonly clock: Clock;
  readonly random: Random;
  /**
   * Whether the policy will let the call begin; default: it will. One that it denies pays with its own
   * peer's tokens only: else a peer without rights could spend what others share.
   */
  readonly allows?: (call: LimitedCall) => boolean;
}

/** What is asked of a call. */
export interface LimitedCall extends OccupyingCall {
  readonly service: string;
  readonly peer: Principal;
  /** Monotonic milliseconds. */
  readonly deadlineAt: number | undefined;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

const ENDPOINTS_PER_PEER = 4;
/** Calls held at once. Each keeps its connection from being read, so more would help nobody. */
const MAX_WAITING = 256;
const BUSIEST = 10;
/** A peer that goes on and on is told of in the log once in this time. */
const TELL_AGAIN_MS = 600_000;
/** Most calls pay nothing. */
const NO_TOLLS: readonly Toll[] = [];

export class CallLimits {
  readonly #parts: CallLimitsParts;
  readonly #ledger: PeerLedger;
  readonly #inFlight: InFlight;
  readonly #endpoints: EndpointLimits;
  #perPeer: Limit | undefined;
  #agent: Limit<Buckets> | undefined;
  #any = false;
  #waiting = 0;

  constructor(parts: CallLimitsParts, rates: CallRates) {
    this.#parts = parts;
    const hash = KeyedHash.random(parts.random);
    this.#ledger = new PeerLedger(hash);
    this.#inFlight = new InFlight(rates);
    const pairs = Math.min(parts.trackedPeers * ENDPOINTS_PER_PEER, MAX_CAPACITY);
    this.#endpoints = new EndpointLimits(hash, pairs);
    this.apply(rates);
  }

  /** Puts new rates in force. What was spent stays spent; calls that wait keep their turn. */
  apply(rates: CallRates): void {
    const { trackedPeers } = this.#parts;
    const table = (): BucketTable => new BucketTable(trackedPeers);
    this.#perPeer = withRate(this.#perPeer, rates.perPeer, "per_peer", table);
    this.#agent = withRate(this.#agent, rates.agent, "agent", () => new Buckets(1));
    this.#endpoints.apply(rates);
    this.#inFlight.apply(rates);
    this.#any =
      this.#perPeer !== undefined ||
      this.#agent !== undefined ||
      this.#endpoints.endpoints.length > 0;
  }

  /** Endpoints named by a limit. */
  get endpoints(): readonly string[] {
    return this.#endpoints.endpoints;
  }

  /**
   * `undefined` lets a call begin, a promise holds it until its turn. Every call that was let in must
   * be {@link finished}.
   *
   * Refuses with `ERR_RATE_LIMITED` (429) or, when the agent is full, `ERR_RPC_OVERLOADED` (503); the
   * field `retry_after_ms` says when to come back.
   */
  admit(call: LimitedCall): AgentError | undefined | Promise<AgentError | undefined> {
    const nowMs = this.#parts.clock.monotonicMs();
    const peer = this.#ledger.of(call.peer, nowMs);
    peer.count(nowMs);
    const obstacle = this.#inFlight.obstacle(call, peer);
    if (obstacle !== undefined) return this.#refuse(call, peer, nowMs, obstacle);
    const tolls = this.#any ? this.#tollsOf(call, peer, nowMs) : NO_TOLLS;
    let waitMs = 0;
    let longest: Toll | undefined;
    let refusing: Toll | undefined;
    for (const toll of tolls) {
      const wait = toll.buckets.untilFit(toll.slot, toll.pace, nowMs);
      if (wait > toll.pace.waitMs) refusing ??= toll;
      if (wait <= waitMs) continue;
      waitMs = wait;
      longest = toll;
    }
    if (longest !== undefined && !this.#mayWait(call, nowMs + waitMs)) refusing ??= longest;
    if (refusing !== undefined) {
      refusing.counts.refused++;
      return this.#refuse(call, peer, nowMs, tooMany(refusing, waitMs));
    }
    const receipts = tolls.map(({ buckets, slot, pace }) => buckets.spend(slot, pace, nowMs));
    this.#inFlight.enter(call, peer);
    if (longest === undefined) return undefined;
    longest.counts.waited++;
    return this.#hold(call, waitMs, () => {
      for (const [index, { buckets, slot, pace }] of tolls.entries()) {
        buckets.giveBack(slot, pace, receipts[index] ?? 0);
      }
    });
  }

  /** A call has ended, however; one that was not let in is no concern of ours. */
  finished(call: OccupyingCall): void {
    this.#inFlight.leave(call);
  }

  view(): LimitsView {
    const nowMs = this.#parts.clock.monotonicMs();
    const { limits, size, shed, refusedPerPeer } = this.#inFlight;
    return {
      tables: [
        ...(this.#perPeer === undefined ? [] : [this.#perPeer.view(nowMs)]),
        ...this.#endpoints.tables(nowMs),
        ...(this.#agent === undefined ? [] : [this.#agent.view(nowMs)]),
      ],
      calls: {
        inFlight: size,
        waiting: this.#waiting,
        max: limits.maxCalls,
        maxPerPeer: limits.maxCallsPerPeer,
        shed,
        refusedPerPeer,
      },
      peers: this.#ledger.busiest(BUSIEST, nowMs),
    };
  }

  #tollsOf(call: LimitedCall, peer: PeerUse, nowMs: number): readonly Toll[] {
    const tolls: Toll[] = [];
    const [perPeer, agent] = [this.#perPeer, this.#agent];
    if (perPeer !== undefined) {
      const { buckets, pace } = perPeer;
      const slot = buckets.find(peer.key, nowMs);
      tolls.push({ limit: "per_peer", buckets, slot, pace, counts: perPeer });
    }
    if (this.#parts.allows?.(call) === false) return tolls;
    this.#endpoints.addTolls(tolls, call, peer, nowMs);
    if (agent !== undefined) {
      const { buckets, pace } = agent;
      tolls.push({ limit: "agent", buckets, slot: 0, pace, counts: agent });
    }
    return tolls;
  }

  #mayWait(call: LimitedCall, untilMs: number): boolean {
    return (
      this.#waiting < MAX_WAITING && (call.deadlineAt === undefined || untilMs < call.deadlineAt)
    );
  }

  async #hold(
    call: LimitedCall,
    waitMs: number,
    giveBack: () => void,
  ): Promise<AgentError | undefined> {
    this.#waiting++;
    try {
      await this.#parts.clock.sleep(waitMs, call.signal);
      return undefined;
    } catch (thrown) {
      if (!call.signal.aborted) throw thrown;
      giveBack();
      return new AgentError("ERR_RPC_CANCELLED", "the caller went away before it was its turn");
    } finally {
      this.#waiting--;
    }
  }

  #refuse(call: LimitedCall, peer: PeerUse, nowMs: number, error: AgentError): AgentError {
    peer.refused++;
    if (nowMs >= peer.tellAgainAt) {
      peer.tellAgainAt = nowMs + TELL_AGAIN_MS;
      call.log.emit("limit.reached", { limit: error.fields["limit"], code: error.code });
    }
    return error;
  }
}

const WORDS: Readonly<Record<string, string>> = {
  per_peer: "this peer makes too many calls",
  per_endpoint: "this endpoint is called too often",
  per_peer_endpoint: "this peer calls this endpoint too often",
  agent: "the agent is called too often",
};

function tooMany({ limit }: Toll, waitMs: number): AgentError {
  return new AgentError("ERR_RATE_LIMITED", WORDS[limit] ?? limit, {
    fields: { limit, retry_after_ms: Math.ceil(waitMs) },
  });
}

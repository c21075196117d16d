/**
 * Probation: is the generation that went in force accepted by the peers that matter?
 *
 * It ends in a fall-back only when a peer *now* takes the old generation and not the new one: both are
 * tried on the same peer, in random order, again and again with pauses between, and every round must say
 * the same. What somebody on the way can bring about counts little or nothing:
 *
 * | the new one is | and the old one | counts |
 * |---|---|---|
 * | refused under the connection's keys | accepted | `rounds` in a row |
 * | refused by a hang-up, which can be forged | accepted | `weakRounds` in a row, three times at most |
 * | without trust in the peer | trusts the same certificate of the peer | `rounds` in a row, unless roots were dropped deliberately |
 * | not able to reach the peer | whatever | never |
 *
 * Who blocks the network, for both or for one of them, gains nothing: the generation stays unproven and
 * is tried again later. Who could tell the two apart by their order has one chance in 2^`weakRounds`.
 */
import { type BackoffPolicy, backoffMs } from "../base/backoff.ts";
import { errorText } from "../base/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import type { MarkReason } from "../identity/store/generation.ts";
import type { TlsMaterial } from "../identity/tls-material.ts";
import { FALL_BACK_CODES } from "./identity-state.ts";
import { formatPeer, type PeerProbe, type ProbeOutcome, type ProbePeer } from "./peer-probe.ts";

export interface ProbationSettings {
  /** Rounds in a row that must agree before a fall-back. */
  readonly rounds: number;
  /** The same, when the refusals could have been forged. */
  readonly weakRounds: number;
  /** Pause between rounds. */
  readonly spacingMs: number;
  /** For one probe, whatever it hangs in. */
  readonly probeTimeoutMs: number;
  /** Between tries of peers that have not accepted yet. */
  readonly retry: BackoffPolicy;
  /** After this long, one accepting peer is enough. */
  readonly windowMs: number;
}

export const DEFAULT_PROBATION: ProbationSettings = {
  rounds: 3,
  weakRounds: 8,
  spacingMs: 1000,
  probeTimeoutMs: 30_000,
  retry: { baseMs: 30_000, capMs: 3_600_000 },
  windowMs: 86_400_000,
};

/** Duels on refusals that could be forged; more would let who guesses try until luck helps. */
const MAX_WEAK_DUELS = 3;

export interface ProbationPorts {
  readonly probe: PeerProbe;
  readonly clock: Clock;
  readonly random: Random;
}

/** What is on probation. */
export interface Trial {
  readonly peers: readonly ProbePeer[];
  readonly fresh: TlsMaterial;
  /** What a fall-back would return to; `undefined` when there is nothing, or it is no good. */
  readonly old: () => Promise<TlsMaterial | undefined>;
  /** Roots were dropped on purpose: a peer that still uses one is no reason to take them back. */
  readonly deliberateTrust: boolean;
  readonly onAccepted: (peer: string) => void;
  /** After each look at all peers. */
  readonly onLook: (look: Look) => void;
}

export interface Look {
  /** From 1. */
  readonly number: number;
  readonly peers: readonly { readonly peer: string; readonly outcome: ProbeOutcome }[];
}

export type ProbationEnd =
  | { readonly kind: "proven" }
  /** Every peer was reached, or there is none, and nobody asks for our certificate. */
  | { readonly kind: "nothing-to-prove"; readonly words: string }
  | { readonly kind: "fall-back"; readonly reasons: readonly MarkReason[] };

export class Probation {
  readonly #ports: ProbationPorts;
  readonly #settings: ProbationSettings;
  #weakDuels = 0;

  constructor(ports: ProbationPorts, settings: ProbationSettings) {
    this.#ports = ports;
    this.#settings = settings;
  }

  /** Goes on until it has an answer. Rejects only with the signal's reason. */
  async run(trial: Trial, signal: AbortSignal): Promise<ProbationEnd> {
    const { clock, random } = this.#ports;
    if (trial.peers.length === 0) {
      return { kind: "nothing-to-prove", words: "there is no probe peer to try it against" };
    }
    const beganAt = clock.monotonicMs();
    const outcomes = new Map<ProbePeer, ProbeOutcome>();
    let accepted = 0;
    for (let number = 1; ; number++) {
      for (const peer of trial.peers) {
        if (isDone(outcomes.get(peer))) continue;
        const outcome = await this.#probe(peer, trial.fresh, signal);
        outcomes.set(peer, outcome);
        if (outcome.kind === "accepted") {
          accepted += 1;
          trial.onAccepted(formatPeer(peer));
        }
        const reason = await this.#compare(peer, outcome, trial, signal);
        if (reason !== undefined) return { kind: "fall-back", reasons: [reason] };
      }
      trial.onLook({ number, peers: describe(outcomes) });
      const allDone = trial.peers.every((peer) => isDone(outcomes.get(peer)));
      const late = clock.monotonicMs() - beganAt >= this.#settings.windowMs;
      if (accepted > 0 && (allDone || late)) return { kind: "proven" };
      if (allDone) {
        const words = "no probe peer asks for a certificate, so none can confirm it";
        return { kind: "nothing-to-prove", words };
      }
      const { retry } = this.#settings;
      const waitMs = backoffMs(retry, number, random.draw());
      await clock.sleep(Math.max(retry.baseMs / 2, waitMs), signal);
    }
  }

  /** Why the peer speaks for a fall-back; `undefined` when it does not. */
  async #compare(
    peer: ProbePeer,
    first: ProbeOutcome,
    trial: Trial,
    signal: AbortSignal,
  ): Promise<MarkReason | undefined> {
    if (first.kind !== "refused" && first.kind !== "distrusted") return undefined;
    if (first.kind === "distrusted" && trial.deliberateTrust) return undefined;
    if (isWeak(first)) {
      if (this.#weakDuels >= MAX_WEAK_DUELS) return undefined;
      this.#weakDuels += 1;
    }
    const old = await trial.old();
    if (old === undefined) return undefined;
    return this.#duel(peer, trial, old, signal);
  }

  async #duel(
    peer: ProbePeer,
    trial: Trial,
    old: TlsMaterial,
    signal: AbortSignal,
  ): Promise<MarkReason | undefined> {
    const { clock, random } = this.#ports;
    const { rounds, weakRounds, spacingMs } = this.#settings;
    let needed = rounds;
    for (let round = 1; ; round++) {
      const pair = { fresh: unasked, old: unasked };
      const order = random.draw() < 0.5 ? (["fresh", "old"] as const) : (["old", "fresh"] as const);
      for (const which of order) {
        pair[which] = await this.#probe(peer, which === "old" ? old : trial.fresh, signal);
      }
      if (!isWorse(pair.fresh, pair.old, trial.deliberateTrust)) return undefined;
      if (isWeak(pair.fresh)) needed = Math.max(rounds, weakRounds);
      if (round >= needed) return reasonOf(peer, pair.fresh, round);
      await clock.sleep(spacingMs, signal);
    }
  }

  async #probe(peer: ProbePeer, material: TlsMaterial, signal: AbortSignal): Promise<ProbeOutcome> {
    const { clock, probe } = this.#ports;
    const { probeTimeoutMs } = this.#settings;
    signal.throwIfAborted();
    const limit = new AbortController();
    const late = Promise.withResolvers<ProbeOutcome>();
    const onAbort = (): void => {
      limit.abort(signal.reason);
      late.reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = clock.setTimer(probeTimeoutMs, () => {
      const words = `no answer within ${probeTimeoutMs} ms`;
      limit.abort(new Error(words));
      late.resolve({ kind: "unreachable", words });
    });
    // What fails after the limit has nobody left who waits for it.
    const asked = probe(peer, material, limit.signal).catch((error: unknown): ProbeOutcome => {
      return { kind: "unreachable", words: errorText(error) };
    });
    try {
      return await Promise.race([asked, late.promise]);
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }
}

const unasked: ProbeOutcome = { kind: "unreachable", words: "not asked yet" };

function isDone(outcome: ProbeOutcome | undefined): boolean {
  return outcome?.kind === "accepted" || outcome?.kind === "not-asked";
}

function isWeak(outcome: ProbeOutcome): boolean {
  return outcome.kind === "refused" && !outcome.strong;
}

/** Whether the peer takes the old one and, by its own word, not the new one. */
function isWorse(fresh: ProbeOutcome, old: ProbeOutcome, deliberateTrust: boolean): boolean {
  if (fresh.kind === "refused") return old.kind === "accepted";
  if (fresh.kind !== "distrusted" || deliberateTrust) return false;
  // The same certificate, whose key the peer has shown to hold: nobody else played the peer for one of them.
  const reached = old.kind === "accepted" || old.kind === "not-asked";
  return reached && old.peerSha256 !== "" && old.peerSha256 === fresh.peerSha256;
}

function reasonOf(peer: ProbePeer, fresh: ProbeOutcome, rounds: number): MarkReason {
  const code = fresh.kind === "distrusted" ? FALL_BACK_CODES.distrusts : FALL_BACK_CODES.refused;
  const words = `${formatPeer(peer)} took the generation before and not this one, ${rounds} times in a row: ${fresh.words}`;
  return { code, words };
}

function describe(outcomes: ReadonlyMap<ProbePeer, ProbeOutcome>): Look["peers"] {
  return [...outcomes].map(([peer, outcome]) => ({ peer: formatPeer(peer), outcome }));
}

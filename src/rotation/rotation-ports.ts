/** What a {@link Rotator} is built of, and what it says of itself. */
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { Generation, GenerationContent } from "../identity/store/generation.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { Reason } from "../identity/validator/candidate-report.ts";
import type { IdentityContent, JudgePorts } from "./candidate-judge.ts";
import type { IdentityState } from "./identity-state.ts";
import type { PeerProbe, ProbePeer } from "./peer-probe.ts";
import type { Look, ProbationSettings } from "./probation.ts";
import type { StoreSource } from "./store-source.ts";

export interface RotatorOptions extends JudgePorts {
  readonly store: CertificateStore;
  readonly source: StoreSource;
  readonly probe: PeerProbe;
  /** Asked when probation begins: configured peers, else the broker; none leaves a generation unproven. */
  readonly peers: () => readonly ProbePeer[];
  readonly time: () => TimeView;
  /** Default {@link DEFAULT_PROBATION}. */
  readonly probation?: Partial<ProbationSettings>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface InstallOptions {
  readonly origin: GenerationContent["origin"];
  /** Take also what fell back before; the validator is told that the operator insists. */
  readonly force?: boolean;
  /** An authority made it in answer to us, perhaps before this start. */
  readonly answered?: boolean;
  /** The epoch that signed material names; another than the store's is refused. */
  readonly epoch?: string | undefined;
}

export interface Installed {
  /** `unchanged`: it was in force already; nothing was written. */
  readonly outcome: "installed" | "unchanged";
  readonly generation: Generation;
  readonly warnings: readonly Reason[];
}

export interface TrustReplacement {
  /** For how long the authorities that go still count, ms; 0 drops them at once. */
  readonly overlapMs: number;
  /**
   * Take the bundle also while our own chain verifies only under authorities that go: those stay until it
   * has been replaced, however long the overlap.
   */
  readonly keepNeeded?: boolean;
  /** The overlap is longer by so much, as the bundle is taken before its time; ms. */
  readonly earlyMs?: number;
  /** Authorities that count for the overlap beside those that go, PEM: of bundles that were skipped. */
  readonly alsoLeavingPem?: string;
  /** A new key and chain that come with the bundle; default those in force. */
  readonly identity?: Omit<IdentityContent, "trustBundlePem">;
}

export interface RotationStatus {
  readonly generation: Generation;
  readonly state: IdentityState;
  /** For a person: what was tried, and what comes next. */
  readonly words: string;
  /** The last look at the probe peers; `undefined` before the first. */
  readonly look: Look | undefined;
  /** The generation that was taken back, when the state is ROLLED_BACK. */
  readonly failed: Generation | undefined;
  readonly overlap: OverlapStatus | undefined;
}

export interface OverlapStatus {
  /** Unix ms. */
  readonly until: number;
  /** SHA-256 of the authorities that go then. */
  readonly leaving: readonly string[];
}

/**
 * A rotator with everything around it in memory: a store that outlives it, keys, a validator and peers
 * that say what a test tells them.
 */
import { materialDigest } from "#src/identity/material-digest.ts";
import type { TimeState, TimeView } from "#src/identity/time/time-view.ts";
import type { TlsMaterial } from "#src/identity/tls-material.ts";
import type {
  Candidate,
  CandidateReport,
  Reason,
} from "#src/identity/validator/candidate-report.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import type { IdentityContent, JudgePurpose } from "#src/rotation/candidate-judge.ts";
import type { ProbeOutcome, ProbePeer } from "#src/rotation/peer-probe.ts";
import type { RotatorOptions } from "#src/rotation/rotation-ports.ts";
import { Rotator } from "#src/rotation/rotator.ts";
import { StoreSource } from "#src/rotation/store-source.ts";
import { type LeafOptions, type TestPki, testPki } from "./certificates.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeRandom } from "./fake-random.ts";
import { MemoryKeys } from "./memory-keys.ts";
import { MemoryStore } from "./memory-store.ts";
import { RecordingLog } from "./recording-log.ts";

export const ACCEPTED: ProbeOutcome = { kind: "accepted", peerSha256: "aa", words: "took it" };
export const REFUSED: ProbeOutcome = { kind: "refused", strong: true, words: "unknown authority" };
export const HUNG_UP: ProbeOutcome = { kind: "refused", strong: false, words: "hung up" };
export const DISTRUSTED: ProbeOutcome = { kind: "distrusted", peerSha256: "aa", words: "not ours" };
export const NOT_ASKED: ProbeOutcome = {
  kind: "not-asked",
  peerSha256: "aa",
  words: "asks nobody",
};
export const UNREACHABLE: ProbeOutcome = { kind: "unreachable", words: "no route" };

export const PEER: ProbePeer = { host: "broker.example", port: 8883 };

/** A process: what dies and is started anew on the same store. */
export interface Process {
  readonly rotator: Rotator;
  readonly source: StoreSource;
  readonly log: RecordingLog;
}

export class RotationRig {
  readonly clock: FakeClock;
  readonly store: MemoryStore;
  readonly keys = new MemoryKeys();
  readonly pki: TestPki;
  peers: readonly ProbePeer[] = [];
  /** What a peer says of a leaf, by its common name; a function may hang. */
  answers: (
    cn: string,
    peer: ProbePeer,
    signal: AbortSignal,
  ) => ProbeOutcome | Promise<ProbeOutcome> = () => UNREACHABLE;
  /** What the validator has against a leaf, by its common name. */
  objections: (cn: string, purpose: JudgePurpose) => readonly Reason[] = () => [];
  /** What the validator has against a candidate as a whole. */
  judge: (candidate: Candidate) => readonly Reason[] = () => [];
  /** What revocation has against a leaf, by its common name. */
  revoked: (cn: string) => readonly Reason[] = () => [];
  selfHandshake: RotatorOptions["trial"] = {
    run: async () => ({ kind: "done", server: undefined, client: undefined }),
  };
  timeState: TimeState = "network";
  clockWrong = false;
  /** What else is known of the time. */
  time: Partial<TimeView> = {};
  probes = 0;

  constructor(pki: TestPki) {
    this.pki = pki;
    this.clock = new FakeClock();
    this.store = new MemoryStore(() => this.clock.now());
  }

  static async make(): Promise<RotationRig> {
    return new RotationRig(await testPki("Test CA", Date.UTC(2026, 5, 1)));
  }

  /** A fresh leaf whose key the provider holds. */
  async content(
    cn: string,
    options: LeafOptions & { readonly bundle?: string; readonly pki?: TestPki } = {},
  ): Promise<IdentityContent> {
    const { bundle, pki = this.pki, ...leaf } = options;
    const { certificatePem, keyPem } = await pki.issue(cn, leaf);
    const key = await this.keys.import(keyPem);
    return { key, chainPem: certificatePem, trustBundlePem: bundle ?? pki.caPem };
  }

  /** A new process, not started. */
  process(): Process {
    const source = new StoreSource();
    const log = new RecordingLog();
    const rotator = new Rotator({
      store: this.store,
      source,
      keys: this.keys,
      validate: async (candidate, purpose) => this.#validate(candidate, purpose),
      revoked: async (chainPem) => this.revoked(commonNameOf(chainPem)),
      trial: this.selfHandshake,
      probe: (peer, material, signal) => this.#probe(peer, material, signal),
      peers: () => this.peers,
      time: () => this.timeView(),
      clock: this.clock,
      random: new FakeRandom(),
      log,
    });
    return { rotator, source, log };
  }

  async started(): Promise<Process> {
    const process = this.process();
    await process.rotator.start(new AbortController().signal);
    return process;
  }

  /** Common name of what is published. */
  inForce({ source }: Process): string | undefined {
    return source.leaf?.commonNames[0];
  }

  #validate(candidate: Candidate, purpose: JudgePurpose): CandidateReport {
    const { chainPem, trustBundlePem, tlsKey } = candidate;
    const reasons = [...this.objections(commonNameOf(chainPem), purpose), ...this.judge(candidate)];
    const digest = materialDigest({ chainPem, trustBundlePem });
    const material = { chainPem, trustBundlePem, key: tlsKey, digest };
    return {
      reasons,
      warnings: [],
      leaf: parseCertificate(chainPem),
      material: reasons.length === 0 ? material : undefined,
    };
  }

  async #probe(peer: ProbePeer, material: TlsMaterial, signal: AbortSignal): Promise<ProbeOutcome> {
    this.probes += 1;
    return this.answers(commonNameOf(material.chainPem), peer, signal);
  }

  timeView(): TimeView {
    return {
      state: this.timeState,
      nowMs: this.clock.now(),
      floorMs: 0,
      clockWrong: this.clockWrong,
      words: undefined,
      ...this.time,
    };
  }
}

export function commonNameOf(chainPem: string): string {
  return parseCertificate(chainPem).commonNames[0] ?? "";
}

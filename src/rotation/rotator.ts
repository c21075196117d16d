/**
 * Puts identities in force, one at a time, and takes those back that peers refuse:
 *
 *     validate -> stage (durable) -> read back, handshake with itself -> commit -> publish
 *     -> probation against peers -> confirmed, or the one before is in force again
 *
 * What was validated, staged, read back and published has one digest, compared at each step. Up to the
 * commit a failure changes nothing that is in force; state is in the store's marks alone, so that a
 * process that dies anywhere goes on from there (`resume.ts` has the table).
 */
import { errorText } from "../base/errors.ts";
import type { Part } from "../base/lifecycle.ts";
import type { Generation, MarkReason } from "../identity/store/generation.ts";
import type { CandidateReport } from "../identity/validator/candidate-report.ts";
import { Adoption } from "./adoption.ts";
import { CandidateJudge, type IdentityContent, type Judged } from "./candidate-judge.ts";
import { CandidateRefused, knownBad, wrongEpoch } from "./candidate-refused.ts";
import { FallBack } from "./fall-back.ts";
import { FALL_BACK_CODES, wasTakenBack } from "./identity-state.ts";
import { InstallQueue } from "./install-queue.ts";
import { DEFAULT_PROBATION, type Look, Probation, type ProbationEnd } from "./probation.ts";
import { resumeSteps } from "./resume.ts";
import { RotationLog } from "./rotation-log.ts";
import type {
  Installed,
  InstallOptions,
  RotationStatus,
  RotatorOptions,
  TrustReplacement,
} from "./rotation-ports.ts";
import { rotationStatus } from "./rotation-status.ts";
import { openSnapshot, type Snapshot } from "./snapshot.ts";
import { MAX_OVERLAP_MS, TrustWindow } from "./trust-window.ts";

interface RunningProbation {
  readonly generation: number;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

export class Rotator implements Part {
  readonly name = "rotation";
  readonly #options: RotatorOptions;
  readonly #judge: CandidateJudge;
  readonly #fallBack: FallBack;
  readonly #say: RotationLog;
  readonly #listeners = new Set<() => void>();
  readonly #queue = new InstallQueue(() => this.#changed());
  readonly #window: TrustWindow;
  readonly #adoption: Adoption;
  #probation: RunningProbation | undefined;
  #look: Look | undefined;
  #closed = false;

  constructor(options: RotatorOptions) {
    this.#options = options;
    this.#say = new RotationLog(options.log);
    this.#judge = new CandidateJudge(options);
    this.#fallBack = new FallBack(options, this.#judge);
    this.#window = new TrustWindow(options, (left) => this.#dropLeaving(left));
    this.#adoption = new Adoption({
      ...{ store: options.store, time: options.time },
      goOn: async (next) => this.#goOn((await this.#judged(next)).digest),
      giveUp: (reasons) => this.#discard(reasons),
    });
  }

  /**
   * Publishes what the store has in force and takes up what a process before this one left half done.
   * Resolves also for an empty store: then the source is absent until the first installation.
   *
   * @throws AgentError `ERR_KEY_*`, `ERR_CERT_*` when neither the generation in force nor the one before
   *   can be used on this device.
   */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { store, source, keys } = this.#options;
    const steps = resumeSteps(store);
    const { current } = store;
    if (current !== undefined) {
      try {
        source.publish(await openSnapshot(current, keys));
      } catch (error) {
        const reason = { code: FALL_BACK_CODES.key, words: errorText(error) };
        if (!(await this.#fallBack.run([reason]))) throw error;
      }
    }
    for (const step of steps) {
      signal.throwIfAborted();
      if (step === "leave-bad" && current !== undefined) await this.#fallBack.run(current.reasons);
      if (step === "adopt-next") await this.#queue.run(() => this.#adoption.run());
      if (step === "give-up-next") await this.#giveUpNext();
    }
    // Adopting has begun its own; a fall-back needs none.
    if (steps.includes("probation") && store.current?.number === current?.number) {
      this.#beginProbation();
    }
    await this.#window.start();
  }

  /** Everything against a candidate, and what deserves a look; nothing is written. */
  check(content: IdentityContent, force = false): Promise<CandidateReport> {
    return this.#judge.report(content, force ? "forced" : "install");
  }

  /**
   * Puts an identity in force. Resolves when it is durable and published; probation goes on after that.
   * While one is being installed another waits; of those who wait the newest wins.
   *
   * @throws CandidateRefused (`ERR_CERT_REFUSED`) with every reason; AgentError `ERR_CERT_SUPERSEDED`,
   *   `ERR_STORE_*`: nothing has changed; `ERR_CERT_LOCAL` when a part of the agent could not take it over
   *   and the one before is in force again.
   */
  install(content: IdentityContent, options: InstallOptions): Promise<Installed> {
    return this.#queue.runNewest(async () => {
      const before = this.#options.store.current?.trustBundlePem;
      const installed = await this.#install(content, options);
      await this.#window.decided(before, installed.generation.trustBundlePem);
      return installed;
    });
  }

  /**
   * Replaces the trust bundle; for `overlapMs` the old authorities count as well.
   *
   * @throws As {@link install}; `ERR_CERT_REFUSED` also when our chain does not verify under the new
   *   bundle alone and no other comes with it.
   */
  replaceTrust(trustBundlePem: string, replacement: TrustReplacement): Promise<Installed> {
    return this.#queue.runNewest(async () => {
      const { current } = this.#options.store;
      const own = replacement.identity ?? current;
      if (own === undefined) {
        const words = "the store is empty: there is no identity that the trust bundle could be for";
        throw new CandidateRefused([{ code: "no-identity", words, fix: "import a certificate" }]);
      }
      const alone = { key: own.key, chainPem: own.chainPem, trustBundlePem };
      const { overlapMs, keepNeeded = false, earlyMs = 0, alsoLeavingPem = "" } = replacement;
      if ((overlapMs === 0 && !keepNeeded) || current === undefined) {
        const installed = await this.#install(alone, { origin: "trust" });
        await this.#window.close();
        return installed;
      }
      // Under the new bundle alone, or the end of the window would leave us without peers.
      if (!keepNeeded) await this.#judged(alone);
      const { bundlePem, undo } = await this.#window.open(
        `${current.trustBundlePem}\n${alsoLeavingPem}`,
        trustBundlePem,
        keepNeeded ? Math.min(MAX_OVERLAP_MS, Math.max(1, overlapMs + earlyMs)) : overlapMs,
        overlapMs,
      );
      try {
        return await this.#install({ ...alone, trustBundlePem: bundlePem }, { origin: "trust" });
      } catch (error) {
        await undo();
        throw error;
      }
    });
  }

  /** `undefined` while the store is empty. */
  status(): RotationStatus | undefined {
    const { store, source, peers } = this.#options;
    const published = source.snapshot?.generation ?? store.current;
    const onProbation = this.#probation !== undefined;
    const [look, overlap, anyPeers] = [this.#look, this.#window.status, peers().length > 0];
    return rotationStatus(store, published, onProbation, look, overlap, anyPeers);
  }

  /** Whether peers are being asked about what is in force, and none has accepted it yet. */
  get isUnproven(): boolean {
    const { store, peers } = this.#options;
    return (
      this.#probation !== undefined && peers().length > 0 && store.current?.mark !== "trialled"
    );
  }

  /** Calls `listener` when {@link status} may say something else; returns the function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Other probe peers are configured: what is not proven yet is tried against them at once. */
  peersChanged(): void {
    const { current } = this.#options.store;
    if (current === undefined || this.#closed) return;
    if (current.mark === "trialled" && this.#probation === undefined) return;
    this.#beginProbation();
  }

  /** The clock is another one: what a start left staged is judged by it. */
  clockChanged(): void {
    if (this.#closed || !this.#adoption.waits) return;
    void this.#queue.run(async () => {
      if (this.#adoption.waits) await this.#adoption.run();
    });
  }

  /** Resolves when no change runs or waits and no probation is on; for tests and orderly ends. */
  async settled(): Promise<void> {
    await this.#queue.idle();
    await this.#probation?.ended;
    await this.#window.idle();
    await this.#queue.idle();
  }

  /** A change under way is finished; probation goes on at the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#window[Symbol.dispose]();
    await this.#queue.idle();
    this.#endProbation();
  }

  async #install(content: IdentityContent, options: InstallOptions): Promise<Installed> {
    const { store } = this.#options;
    await this.#fallBack.writeDown();
    const { report, content: ordered, digest } = await this.#judged(content, options);
    const { current } = store;
    const { warnings } = report;
    if (current?.digest === digest && current.key.spkiSha256 === ordered.key.spkiSha256) {
      if (store.next !== undefined) await this.#giveUpNext();
      return { outcome: "unchanged", generation: current, warnings };
    }
    try {
      await store.stage({ ...ordered, origin: options.origin }, digest);
    } catch (error) {
      this.#say.storeFailed(error);
      throw error;
    }
    return { outcome: "installed", generation: await this.#goOn(digest), warnings };
  }

  /** Judged good, of this epoch, and not known to be bad. @throws CandidateRefused, and says so. */
  async #judged(content: IdentityContent, options?: InstallOptions): Promise<Judged> {
    const { store } = this.#options;
    try {
      const { epoch, force = false, answered = false } = options ?? {};
      if (epoch !== undefined && epoch !== store.epoch) {
        throw new CandidateRefused([wrongEpoch(epoch, store.epoch)]);
      }
      const purpose = force ? "forced" : answered ? "answered" : "install";
      const judged = await this.#judge.judge(content, purpose, store.current);
      const bad = store.history().find((old) => old.digest === judged.digest && wasTakenBack(old));
      if (bad !== undefined && !force) throw new CandidateRefused([knownBad(bad)]);
      return judged;
    } catch (error) {
      this.#say.refused(error);
      throw error;
    }
  }

  /** From `next` on flash to the generation in force. */
  async #goOn(digest: string): Promise<Generation> {
    const { store, source } = this.#options;
    const { next } = store;
    if (next === undefined) throw new TypeError("what was staged is next");
    let snapshot: Snapshot;
    try {
      snapshot = await this.#judge.tryOut(next, digest);
    } catch (error) {
      this.#say.refused(error);
      if (error instanceof CandidateRefused) await store.discardNext(error.reasons);
      throw error;
    }
    const before = store.current;
    const generation = await this.#commit();
    this.#endProbation();
    this.#look = undefined;
    const thrown = source.publish({ ...snapshot, generation });
    if (thrown.length > 0) await this.#fallBack.afterPublishing(thrown);
    this.#say.rotated(before, { ...snapshot, generation });
    this.#beginProbation();
    return generation;
  }

  async #commit(): Promise<Generation> {
    const { store } = this.#options;
    try {
      return await store.commit();
    } catch (error) {
      this.#say.storeFailed(error);
      // Else the next start would put in force what its sender believes to have failed.
      await this.#discard([{ code: "commit-failed", words: errorText(error) }]);
      throw error;
    }
  }

  #giveUpNext(): Promise<void> {
    const words = "it is what is in force, or was given up before";
    return this.#discard([{ code: "superseded", words }]);
  }

  async #discard(reasons: readonly MarkReason[]): Promise<void> {
    const { store } = this.#options;
    await store.discardNext(reasons).catch((error: unknown) => this.#say.unwritten(error));
  }

  #dropLeaving(left: () => string | undefined): Promise<void> {
    return this.#queue.run(async () => {
      const { current } = this.#options.store;
      const bundlePem = left();
      if (current === undefined || bundlePem === undefined || this.#closed) return;
      const { key, chainPem } = current;
      await this.#install({ key, chainPem, trustBundlePem: bundlePem }, { origin: "trust" });
    });
  }

  #beginProbation(): void {
    this.#endProbation();
    const { source, peers, store, log } = this.#options;
    const { snapshot } = source;
    if (snapshot === undefined || this.#closed) return;
    const { number } = snapshot.generation;
    const deliberateTrust = snapshot.generation.origin === "trust";
    const stop = new AbortController();
    const probation = new Probation(this.#options, {
      ...DEFAULT_PROBATION,
      ...this.#options.probation,
    });
    const trial = {
      peers: peers(),
      fresh: snapshot.material,
      old: () => this.#fallBack.target(),
      deliberateTrust,
      onAccepted: (peer: string) => {
        log.emit("certificate.trialled", { generation: number, peer });
        void this.#queue.run(() => this.#mark(number));
      },
      onLook: (look: Look) => {
        this.#look = look;
        if (look.number === 1) this.#say.unproven(number, look);
      },
    };
    const ended = probation
      .run(trial, stop.signal)
      .then((end) => this.#probationEnded(number, end))
      .catch((error: unknown) => {
        if (!stop.signal.aborted) throw error;
      });
    this.#probation = { generation: number, stop, ended };
    if (trial.peers.length === 0 && store.current !== undefined) {
      const words = "there is no probe peer: name some under probation.peers";
      log.emit("certificate.unproven", { generation: number, reason: words });
    }
  }

  #endProbation(): void {
    this.#probation?.stop.abort(new Error("another generation is in force, or the agent stops"));
    this.#probation = undefined;
  }

  async #probationEnded(number: number, end: ProbationEnd): Promise<void> {
    const { log, store } = this.#options;
    if (end.kind === "fall-back") {
      await this.#queue.run(async () => {
        if (store.current?.number === number) await this.#fallBack.run(end.reasons);
      });
    }
    if (this.#probation?.generation !== number) return;
    this.#probation = undefined;
    if (end.kind === "proven") log.emit("certificate.proven", { generation: number });
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  async #mark(number: number): Promise<void> {
    const { store } = this.#options;
    if (store.current?.number !== number) return;
    try {
      await store.mark(number, "trialled");
    } catch (error) {
      // It stays in force; after a restart it is tried once more.
      this.#say.unwritten(error);
    }
  }
}

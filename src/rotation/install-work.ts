/**
 * Puts a pushed identity in force, however often the power goes on the way. Whoever pushes (the command line,
 * later MQTT) is answered as soon as it is durable; the queue's worker does the rest:
 *
 * | the process died | then on flash | a restart |
 * |---|---|---|
 * | in `accept`, before it was acknowledged | perhaps a key and a note that no intent names | removes them |
 * | after it | the intent `install-N`, the note `install-N`, perhaps the key `install-key.N` | begins |
 * | in `install` | the same; perhaps the generation, staged or in force | the rotator went on with it at the start; in force: `clean`; else once more |
 * | in `clean` | perhaps that N is in force, perhaps no note | writes that down, removes the rest, done |
 *
 * What is in force is on probation like any other identity; that is the rotator's business. The number of the
 * last one that was in force is kept for good: none at or below it counts again, also when the queue is lost.
 */
import { AgentError, isAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { KeyProvider, KeyReference } from "../identity/keys/key-provider.ts";
import { spkiSha256 } from "../identity/keys/sealed-key-provider.ts";
import { formatMoment } from "../identity/span-words.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { DeadlineTime } from "../identity/time/wall-deadline.ts";
import type { Hold, IntentSteps } from "../queue/handlers.ts";
import { type Intent, type IntentState, intentId } from "../queue/intent.ts";
import type { IntentQueue } from "../queue/intent-queue.ts";
import { MAX_WAIT_MS } from "../queue/saved-attempts.ts";
import { CandidateRefused } from "./candidate-refused.ts";
import { canPass, InstallFailed, isPassing } from "./install-failure.ts";
import {
  certificatesOf,
  formatInstallNote,
  formatPosition,
  type InstallNote,
  type InstallPosition,
  installDigest,
  leafOf,
  POSITION_NOTE,
  type PushedIdentity,
  parseInstallNote,
  parsePosition,
} from "./install-note.ts";
import { isPushedKey, keyName, noteName } from "./install-objects.ts";
import { dropLongNote, readLongNote, writeLongNote } from "./long-note.ts";
import { assertCanPass } from "./push-judgement.ts";
import { PushedEntries } from "./pushed-entries.ts";
import { RotationLog } from "./rotation-log.ts";
import type { Rotator } from "./rotator.ts";
import { hasSameAuthorities } from "./trust-overlap.ts";

export interface InstallPorts {
  readonly store: CertificateStore;
  readonly keys: KeyProvider;
  readonly queue: IntentQueue;
  readonly rotator: Pick<Rotator, "install" | "isUnproven" | "check">;
  readonly time: DeadlineTime;
  readonly log: Logger;
}

export interface AcceptedInstall {
  /** Of the entry in the queue. */
  readonly id: string;
  readonly generation: number;
  /** `superseded`: something newer has come already, and nothing was kept. */
  readonly state: IntentState;
}

/** While peers are asked about the identity in force, so often, and so many times. */
const UNPROVEN_MS = 5 * 60_000;
const UNPROVEN_ATTEMPTS = 12;

export class InstallWork {
  readonly #ports: InstallPorts;
  readonly #entries: PushedEntries;
  #told: string | undefined;

  constructor(ports: InstallPorts) {
    this.#ports = ports;
    this.#entries = new PushedEntries("install", ports);
  }

  /** Removes what a crash has left, and from now on what belongs to intents that are over. */
  start(): Promise<void> {
    return this.#entries.start();
  }

  /**
   * Makes durable what somebody brings, and the wish to put it in force.
   *
   * @param generation As whoever pushes counts, from 1; the newest wins, and the same one again is the one
   *   that is there, whatever became of it. Default the next one.
   * @throws AgentError `ERR_IMPORT_INVALID`, `ERR_CERT_INVALID`, `ERR_KEY_*` for what can't be read or has no
   *   key; `ERR_CERT_REFUSED` for what can never go in force: it must not take the place of one that waits;
   *   `ERR_INSTALL_NUMBER` when the number was given to something else; `ERR_STORE_*`, `ERR_QUEUE_*`:
   *   nothing was accepted.
   */
  accept(pushed: PushedIdentity, generation?: number): Promise<AcceptedInstall> {
    return this.#entries.take(() => this.#accept(pushed, generation));
  }

  /** The number of the last one that was put in force; 0 for none. @throws AgentError `ERR_STORE_CORRUPT`. */
  async position(): Promise<number> {
    return (await this.#position()).generation;
  }

  /** Whether its certificate is known to begin later, for the queue's worker. */
  holds({ id }: Intent): Hold | undefined {
    const forMs = this.#entries.beginsAt(id) - this.#ports.time.dueMs();
    return forMs > 0 ? { by: "early", forMs } : undefined;
  }

  /** An `IntentHandler` for `install`. @throws InstallFailed. */
  async handle(intent: Intent, steps: IntentSteps, signal: AbortSignal): Promise<void> {
    try {
      await this.#install(intent, steps, signal);
      this.#told = undefined;
    } catch (error) {
      if (signal.aborted || !isAgentError(error)) throw error;
      throw error instanceof InstallFailed ? error : new InstallFailed(error, !isPassing(error));
    }
  }

  /** As {@link PushedEntries.sweep}. */
  sweep(): Promise<void> {
    return this.#entries.sweep();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#entries[Symbol.asyncDispose]();
  }

  async #accept(pushed: PushedIdentity, wanted: number | undefined): Promise<AcceptedInstall> {
    const { store, keys, log } = this.#ports;
    certificatesOf(pushed.chainPem);
    const brought =
      pushed.privateKeyPem === undefined ? undefined : await keys.import(pushed.privateKeyPem);
    const note = this.#noteOf(pushed, brought);
    const position = await this.#position();
    const known = await this.#known(note, wanted, position);
    if (known !== undefined) return known;
    const generation = wanted ?? this.#newest(position) + 1;
    await this.#judge(note, brought ?? this.#keyOf(note, generation));
    const { id, state } = await this.#entries.add(generation, async () => {
      if (brought !== undefined) await store.keepKey(keyName(generation), brought);
      await writeLongNote(store, noteName("install", generation), formatInstallNote(note));
    });
    log.emit("install.accepted", { id, key: brought === undefined ? "held" : "brought" });
    return { id, generation, state };
  }

  async #judge(note: InstallNote, key: KeyReference): Promise<void> {
    try {
      await assertCanPass(this.#ports, note, key);
    } catch (error) {
      new RotationLog(this.#ports.log).refused(error);
      throw error;
    }
  }

  /** What becomes of it without being kept: it is there already, or something newer is. */
  async #known(
    note: InstallNote,
    wanted: number | undefined,
    position: InstallPosition,
  ): Promise<AcceptedInstall | undefined> {
    const { queue } = this.#ports;
    const newest = this.#newest(position);
    const generation = wanted ?? newest;
    const answer = (state: IntentState): AcceptedInstall => {
      return { id: intentId("install", generation), generation, state };
    };
    const found = queue.find(intentId("install", generation));
    if (wanted === undefined) {
      // A command that is given twice; what has ended may be wanted once more.
      const open = found?.state === "waiting" || found?.state === "running";
      if (!open) return undefined;
      return (await this.#keptDigest(generation)) === installDigest(note)
        ? answer(found.state)
        : undefined;
    }
    if (wanted < newest) return answer("superseded");
    if (found === undefined && wanted > position.generation) return undefined;
    const kept =
      wanted === position.generation ? position.digest : await this.#keptDigest(generation);
    if (kept !== undefined && kept !== installDigest(note)) {
      const words = `generation ${wanted} was given to something else before`;
      throw new AgentError("ERR_INSTALL_NUMBER", words);
    }
    // Its note is gone though nothing has come of it: it is kept anew under the intent that is there.
    if (kept === undefined && found !== undefined && found.state !== "superseded") return undefined;
    return answer(found?.state ?? "done");
  }

  async #install(intent: Intent, steps: IntentSteps, signal: AbortSignal): Promise<void> {
    const { store, keys, rotator } = this.#ports;
    const { generation } = intent;
    const position = await this.#position();
    if (position.generation >= generation) return this.#clean(intent);
    const note = await this.#read(intent);
    const leaf = leafOf(note);
    if (!this.#wasInForce(intent, note)) {
      const { notBefore = 0, notAfter = 0 } = leaf?.summary ?? {};
      this.#assertBegun(intent, notBefore);
      this.#assertQuiet(intent, note);
      const key = this.#keyOf(note, generation);
      const trustBundlePem = note.trustBundlePem ?? store.current?.trustBundlePem;
      if (trustBundlePem === undefined) {
        const words = "the store is empty, and no trust bundle came with it";
        throw new AgentError("ERR_IMPORT_INVALID", words);
      }
      // What is wrong with the place that keys are sealed by may pass; the validator can't tell.
      await keys.open(key);
      if (intent.step !== "install") await steps.advance("install");
      signal.throwIfAborted();
      const { chainPem, origin, force, epoch } = note;
      try {
        await rotator.install({ key, chainPem, trustBundlePem }, { origin, force, epoch });
      } catch (error) {
        if (!isAgentError(error)) throw error;
        throw this.#failed(intent, error, notBefore, notAfter);
      }
    }
    this.#entries.hasBegun(intent.id);
    if (intent.step !== "clean") await steps.advance("clean");
    const reached = { generation, digest: installDigest(note) };
    await store.writeNote(POSITION_NOTE, formatPosition(reached));
    await this.#clean(intent);
  }

  /** Its objects, the note last: by it the pending key is known. */
  async #clean({ generation }: Intent): Promise<void> {
    const { store } = this.#ports;
    const text = await readLongNote(store, noteName("install", generation));
    const pendingKey = text === undefined ? undefined : parseInstallNote(text).pendingKey;
    if (pendingKey !== undefined) await store.dropKey(pendingKey);
    await store.dropKey(keyName(generation));
    await dropLongNote(store, noteName("install", generation));
  }

  /** @throws InstallFailed until the certificate begins, by the time that can be trusted. */
  #assertBegun(intent: Intent, beginsAt: number): void {
    const { time } = this.#ports;
    const nowMs = time.dueMs();
    // With a clock that is known to be wrong the validator decides, by `time.not_yet_valid`.
    if (time.view().clockWrong || nowMs >= beginsAt) return;
    throw this.#waits(intent, beginsAt);
  }

  #waits(intent: Intent, beginsAt: number): InstallFailed {
    const nowMs = this.#ports.time.dueMs();
    this.#entries.isEarly(intent.id, beginsAt);
    const words = `the certificate counts from ${formatMoment(beginsAt)} on, and it is ${formatMoment(nowMs)}; it goes in force by itself`;
    return this.#tell(intent, words, Math.min(MAX_WAIT_MS, beginsAt - nowMs));
  }

  /**
   * While nobody knows whether peers take the identity in force, the one before it is what a fall-back
   * returns to; a third would push it out. Not for ever: peers may be out of reach for months.
   *
   * @throws InstallFailed
   */
  #assertQuiet(intent: Intent, { force }: InstallNote): void {
    if (force || !this.#ports.rotator.isUnproven || intent.attempts > UNPROVEN_ATTEMPTS) return;
    const words = "the identity in force is on probation, and no peer has accepted it yet";
    throw this.#tell(intent, words, UNPROVEN_MS);
  }

  #tell(intent: Intent, words: string, retryAfterMs: number): InstallFailed {
    if (this.#told !== words)
      this.#ports.log.emit("install.waits", { id: intent.id, reason: words });
    this.#told = words;
    return new InstallFailed(new AgentError("ERR_INSTALL_WAITS", words), false, retryAfterMs);
  }

  #failed(intent: Intent, error: AgentError, beginsAt: number, endsAt: number): InstallFailed {
    const { time } = this.#ports;
    if (!canPass(error, time.view(), endsAt)) return new InstallFailed(error, true);
    const early = error instanceof CandidateRefused && time.dueMs() < beginsAt;
    return early ? this.#waits(intent, beginsAt) : new InstallFailed(error, false);
  }

  /** An attempt before this one came that far and could not say so; something else may have come since. */
  #wasInForce({ step }: Intent, note: InstallNote): boolean {
    if (step !== "install" && step !== "clean") return false;
    const { store } = this.#ports;
    const fingerprint = leafOf(note)?.summary.fingerprint;
    return [store.current, store.previous].some((generation) => {
      if (generation === undefined || generation.mark === "bad") return false;
      const { chainPem, trustBundlePem } = generation;
      const [leaf] = certificatesOf(chainPem);
      if (leaf?.summary.fingerprint !== fingerprint) return false;
      const { trustBundlePem: wanted } = note;
      return wanted === undefined || hasSameAuthorities(wanted, trustBundlePem);
    });
  }

  #noteOf(pushed: PushedIdentity, brought: KeyReference | undefined): InstallNote {
    const { chainPem, trustBundlePem, origin, force = false, epoch } = pushed;
    const rest = { chainPem, trustBundlePem, origin, force, epoch };
    if (brought !== undefined) {
      const note = { ...rest, spkiSha256: brought.spkiSha256, pendingKey: undefined };
      if (leafOf(note) !== undefined) return note;
      // Known at once, and no time heals it: it must not take the place of one that waits.
      const words = "the private key belongs to none of the certificates";
      const fix = "give the key and the certificate that belong together; nothing was kept";
      throw new AgentError("ERR_IMPORT_INVALID", words, { fields: { fix } });
    }
    const { store } = this.#ports;
    const wanted = new Set(certificatesOf(chainPem).map((each) => spkiSha256(each.publicKey)));
    const pending = [...store.pendingKeys()].find(([name, key]) => {
      return wanted.has(key.spkiSha256) && !isPushedKey(name);
    });
    const key =
      pending?.[1] ??
      [store.current?.key, store.previous?.key].find((own) => wanted.has(own?.spkiSha256 ?? ""));
    if (key !== undefined) return { ...rest, spkiSha256: key.spkiSha256, pendingKey: pending?.[0] };
    throw new AgentError(
      "ERR_IMPORT_INVALID",
      "there is no private key for any of the certificates: it did not come with them, and it is not in the store",
      { fields: { fix: "add --key FILE; `microedge key list` shows the keys of the store" } },
    );
  }

  /** @throws AgentError `ERR_KEY_DAMAGED` when it has gone since. */
  #keyOf({ spkiSha256: wanted, pendingKey = "" }: InstallNote, generation: number): KeyReference {
    const { store } = this.#ports;
    const pending = store.pendingKeys();
    const found = [
      pending.get(keyName(generation)),
      pending.get(pendingKey),
      store.current?.key,
      store.previous?.key,
    ].find((key) => key?.spkiSha256 === wanted);
    if (found !== undefined) return found;
    throw new AgentError("ERR_KEY_DAMAGED", "the key of the certificate is no longer in the store");
  }

  /** @throws AgentError `ERR_STORE_CORRUPT` when it is gone or damaged: it must be pushed again. */
  async #read({ id, generation }: Intent): Promise<InstallNote> {
    const text = await readLongNote(this.#ports.store, noteName("install", generation));
    if (text !== undefined) return parseInstallNote(text);
    const words = `what was pushed as ${id} is not in the store`;
    throw new AgentError("ERR_STORE_CORRUPT", words);
  }

  /** `undefined` when it can't be read. */
  async #keptDigest(generation: number): Promise<string | undefined> {
    try {
      const text = await readLongNote(this.#ports.store, noteName("install", generation));
      return text === undefined ? undefined : installDigest(parseInstallNote(text));
    } catch (error) {
      if (isAgentError(error, "ERR_STORE_CORRUPT")) return undefined;
      throw error;
    }
  }

  #newest({ generation }: InstallPosition): number {
    const queued = this.#ports.queue.list().flatMap((intent) => {
      return intent.kind === "install" ? [intent.generation] : [];
    });
    return Math.max(generation, ...queued);
  }

  async #position(): Promise<InstallPosition> {
    return parsePosition(await this.#ports.store.readNote(POSITION_NOTE));
  }
}

/**
 * Works a renewal off, from the key to the certificate in force. Each step is written down before it is
 * taken, so that a process that dies anywhere goes on from there:
 *
 * | step | then on flash | a restart |
 * |---|---|---|
 * | `make-key` | the intent; perhaps the key | takes the key that is there, else makes one |
 * | `request` | the key, under a name with the intent's id | asks again with the same key |
 * | `install` | the same, and the answer; perhaps the generation, staged or in force | in force: done; staged: the rotator went on with it at the start; neither: installs the answer |
 *
 * The key stays until the intent has ended: only by it a restart knows that its certificate is in force.
 * So an answer that is lost on the way loses no key, and an authority that can tell (same old certificate,
 * same new key) gives the same certificate again. One that has come is kept before anything else is done
 * with it (`RenewalAnswers`), and so is asked for once. A key whose generation peers refused is not used
 * again. An answer that is refused here is tried once more by the next attempt, as what was wrong may have
 * been ours, before the authority is asked again.
 *
 * After expiry an authority may renew the old key only: then that comes first, and is put in force, and the
 * new key follows in the same attempt.
 */
import { AgentError, isAgentError } from "../base/errors.ts";
import { type Issued, IssuerError } from "../identity/issuer.ts";
import type {
  CreatableAlgorithm,
  KeyAlgorithm,
  KeyReference,
  OpenKey,
} from "../identity/keys/key-provider.ts";
import { formatMoment } from "../identity/span-words.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";
import type { Hold, IntentSteps } from "../queue/handlers.ts";
import { type Intent, objectNamed } from "../queue/intent.ts";
import { CandidateRefused } from "./candidate-refused.ts";
import { hasFailed } from "./identity-state.ts";
import { RefusalPause } from "./refusal-pause.ts";
import { RenewalAnswers } from "./renewal-answer.ts";
import { faultOf, needsOperator, RenewalFailed, retryAfterOf } from "./renewal-fault.ts";
import { leastWaitMs, MAX_RETRY_MS } from "./renewal-policy.ts";
import type { RenewalFault, RenewalOutages, RenewalPorts } from "./renewal-ports.ts";
import { RenewalRequests, type Wish } from "./renewal-requests.ts";
import type { Snapshot } from "./snapshot.ts";

/** Begins the names of pending keys that belong to renewals; the intent's id follows. */
export const KEY_PREFIX = "renewal.";

export class RenewalWork {
  readonly #ports: RenewalPorts;
  readonly #answers: RenewalAnswers;
  readonly #requests: RenewalRequests;
  /** After refusals; the queue asks for it before each attempt. */
  readonly pause: RefusalPause;
  lastAttempt: number | undefined;
  lastError: RenewalFault | undefined;
  remarks: readonly string[] = [];

  constructor(ports: RenewalPorts, outages: RenewalOutages) {
    this.#ports = ports;
    const { store, time, clock, random, log } = ports;
    this.pause = new RefusalPause({ store, clock, random, log });
    this.#answers = new RenewalAnswers({ store, log, nowMs: () => time.view().nowMs });
    this.#requests = new RenewalRequests(ports, this.#answers, outages);
  }

  /** Why it is not attempted though it is due, for the queue's worker: the authority has refused it. */
  holds({ attempts }: Intent): Hold | undefined {
    // New, or somebody has asked for it, perhaps while no agent ran.
    if (attempts === 0) return undefined;
    const forMs = this.pause.leftMs(this.#subject());
    return forMs > 0 ? { by: "refused", forMs } : undefined;
  }

  /** Forgets the answer in hand unless it belongs to one of these intents. Never rejects. */
  clearAnswer(wanted: ReadonlySet<string>): Promise<void> {
    return this.#answers.clear(wanted);
  }

  /**
   * An `IntentHandler` for `renew` and `re-key`. Resolves when the new certificate is in force, or when
   * another identity has come meanwhile.
   *
   * @throws RenewalFailed with the code of what failed.
   */
  async handle(intent: Intent, steps: IntentSteps, signal: AbortSignal): Promise<void> {
    const { log, issuer, time } = this.#ports;
    this.lastAttempt = time.view().nowMs;
    const snapshot = this.#inForce();
    if (this.#isObsolete(intent)) {
      this.lastError = undefined;
      log.emit("renewal.obsolete", { intent: intent.id, generation: snapshot.generation.number });
      return;
    }
    const { number } = snapshot.generation;
    const told = { intent: intent.id, generation: number, issuer: issuer.kind };
    if (isTold(intent.attempts)) {
      const notAfter = formatMoment(snapshot.leaf.summary.notAfter);
      log.emit("renewal.started", { ...told, attempt: intent.attempts, not_after: notAfter });
    }
    try {
      const work = intent.kind === "renew" ? this.#renew : this.#rekey;
      const { generation, leaf } = await work.call(this, intent, steps, signal);
      this.lastError = undefined;
      await this.pause.end();
      const { serial, notAfter } = leaf.summary;
      log.emit("renewal.succeeded", {
        ...told,
        ...{ generation, serial, not_after: formatMoment(notAfter), attempt: intent.attempts },
        remarks: this.remarks.length === 0 ? undefined : this.remarks,
      });
    } catch (error) {
      if (signal.aborted || !isAgentError(error)) throw error;
      const failed = this.#failed(error, intent);
      await this.#pauseAfter(failed.fault);
      throw failed;
    }
  }

  /** What a refusal is of: this certificate by this authority. */
  #subject(): string {
    const { source, authority = "" } = this.#ports;
    return `${source.leaf?.summary.fingerprint} ${authority}`;
  }

  async #pauseAfter({ needsOperator: permanent, reason }: RenewalFault): Promise<void> {
    if (!permanent) return this.pause.lift();
    const leftMs = this.#inForce().leaf.summary.notAfter - this.#ports.time.dueMs();
    const mostMs = leftMs > 0 ? Math.max(MAX_RETRY_MS, leftMs / 4) : Number.POSITIVE_INFINITY;
    await this.pause.refused(this.#subject(), reason, mostMs);
  }

  async #rekey(intent: Intent, steps: IntentSteps, signal: AbortSignal): Promise<Renewed> {
    const { store, keys } = this.#ports;
    const done = this.#alreadyInForce(intent);
    if (done !== undefined) return done;
    const name = keyName(intent);
    let reference = this.#usableKey(intent);
    if (reference === undefined) {
      await steps.advance("make-key", objectNamed("key", name));
      reference = await keys.create(creatable(this.#inForce().key.reference.algorithm));
      await store.keepKey(name, reference);
    }
    const key = await keys.open(reference);
    const resumed = await this.#resumeAnswer(intent, key, steps);
    if (resumed !== undefined) return resumed;
    // Or the one to the bridge, below.
    await this.#resumeAnswer(intent, this.#inForce().key, undefined);
    if (intent.step !== "request") await steps.advance("request", objectNamed("key", name));
    let issued: Issued;
    try {
      issued = await this.#requests.forNew(this.#wish(intent, signal), key);
    } catch (error) {
      if (!(error instanceof IssuerError) || error.reason !== "expired") throw error;
      const { number } = this.#inForce().generation;
      const bridge = await this.#requests.forOwn(this.#wish(intent, signal));
      await this.#install(this.#inForce().key, bridge);
      this.#ports.log.emit("renewal.bridged", { intent: intent.id, generation: number });
      issued = await this.#requests.forNew(this.#wish(intent, signal), key);
    }
    await steps.advance("install");
    return this.#install(key, issued);
  }

  async #renew(intent: Intent, steps: IntentSteps, signal: AbortSignal): Promise<Renewed> {
    const done = this.#alreadyInForce(intent);
    if (done !== undefined) return done;
    const resumed = await this.#resumeAnswer(intent, this.#inForce().key, steps);
    if (resumed !== undefined) return resumed;
    if (intent.step !== "request") await steps.advance("request");
    const issued = await this.#requests.forOwn(this.#wish(intent, signal));
    await steps.advance("install");
    return this.#install(this.#inForce().key, issued);
  }

  /**
   * Installs what an attempt before this one was answered, and could not install.
   *
   * @param steps `undefined` when the intent is not at its end with it.
   * @returns `undefined` when there is none for this key, or it is refused again: the authority is to be asked.
   */
  async #resumeAnswer(
    intent: Intent,
    key: OpenKey,
    steps: IntentSteps | undefined,
  ): Promise<Renewed | undefined> {
    const issued = await this.#requests.inHand(intent, key);
    if (issued === undefined) return undefined;
    const { fingerprint } = parseCertificate(issued.chainPem).summary;
    if (fingerprint === this.#inForce().leaf.summary.fingerprint) return undefined;
    await steps?.advance("install");
    try {
      return await this.#install(key, issued);
    } catch (error) {
      if (!(error instanceof CandidateRefused)) throw error;
      await this.#answers.clear(new Set());
      await steps?.advance("request");
      return undefined;
    }
  }

  async #install(key: OpenKey, issued: Issued): Promise<Renewed> {
    const { rotator, source } = this.#ports;
    const { reference } = key;
    const { chainPem } = issued;
    const { generation, warnings } = await rotator.install(
      { key: reference, chainPem, trustBundlePem: this.#requests.bundleWith(issued) },
      { origin: "renewal", answered: issued.answeredUs ?? false },
    );
    this.remarks = [...issued.remarks, ...warnings.map(({ words }) => words)];
    const { leaf } = source;
    return { generation: generation.number, leaf: leaf ?? parseCertificate(chainPem) };
  }

  #failed(error: AgentError, intent: Intent): RenewalFailed {
    const { time, log, random } = this.#ports;
    const fault = faultOf(error, this.lastError, time.view().nowMs);
    this.lastError = fault;
    const [askedMs, permanent] = [retryAfterOf(error), needsOperator(error)];
    const { notAfter } = this.#inForce().leaf.summary;
    const retryMs = leastWaitMs(askedMs, permanent, random.draw());
    if (isTold(fault.times)) {
      const lost = error instanceof IssuerError && error.lostAnswer;
      const told = {
        ...{ intent: intent.id, code: fault.code, cause: fault.reason, reason: fault.words },
        ...{ fix: fault.fix, attempt: intent.attempts, not_after: formatMoment(notAfter) },
      };
      log.emit("renewal.failed", { ...told, lost_answer: lost ? true : undefined });
      if (permanent) log.emit("renewal.stuck", told);
    }
    return new RenewalFailed(error, fault, retryMs);
  }

  /** @throws AgentError `ERR_IDENTITY_NONE`: there is nothing that could be renewed. */
  #inForce(): Snapshot {
    const { snapshot, absent } = this.#ports.source;
    if (snapshot === undefined) throw new AgentError("ERR_IDENTITY_NONE", absent ?? "");
    return snapshot;
  }

  #wish(intent: Intent, signal: AbortSignal): Wish {
    return { intent, own: this.#inForce(), signal };
  }

  /** Whether somebody gave the device another identity since the intent was made. */
  #isObsolete(intent: Intent): boolean {
    const { store } = this.#ports;
    if (this.#alreadyInForce(intent) !== undefined) return false;
    const { current } = store;
    // Not by the dates of the two: the clock may have been another then.
    if (current === undefined || current.number < intent.generation) return false;
    return current.origin !== "trust" && current.origin !== "renewal";
  }

  /** An attempt before this one came that far and could not say so. */
  #alreadyInForce(intent: Intent): Renewed | undefined {
    const { store, source } = this.#ports;
    const pending = store.pendingKeys().get(keyName(intent));
    const { current } = store;
    const { leaf } = source;
    if (current === undefined || leaf === undefined) return undefined;
    const inForce =
      intent.kind === "renew"
        ? intent.step === "install" &&
          current.origin === "renewal" &&
          current.number >= intent.generation
        : current.key.spkiSha256 === pending?.spkiSha256;
    if (!inForce) return undefined;
    return { generation: current.number, leaf };
  }

  /** The key of an attempt before, unless its generation has failed. */
  #usableKey(intent: Intent): KeyReference | undefined {
    const { store } = this.#ports;
    const pending = store.pendingKeys().get(keyName(intent));
    const failed = store.history().filter(hasFailed);
    return failed.some(({ key }) => key.spkiSha256 === pending?.spkiSha256) ? undefined : pending;
  }
}

interface Renewed {
  readonly generation: number;
  readonly leaf: Certificate;
}

export function keyName({ id }: Pick<Intent, "id">): string {
  return `${KEY_PREFIX}${id}`;
}

/** The first, second, fourth, eighth, ...: a log is a flash write, too. */
function isTold(times: number): boolean {
  return times <= 1 || (times & (times - 1)) === 0;
}

/** RSA keys are taken over and not made. */
function creatable(algorithm: KeyAlgorithm): CreatableAlgorithm {
  return algorithm === "rsa" ? "ecdsa-p256" : algorithm;
}

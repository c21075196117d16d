/**
 * Renewal of the device's certificate, put together from the configuration: what works the queue's renewals
 * off, and what the command line asks.
 */
import { createHash } from "node:crypto";
import { AgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Issuer } from "../identity/issuer.ts";
import { SealedKeyProvider } from "../identity/keys/sealed-key-provider.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { handlerOf, type IntentHandlers } from "../queue/handlers.ts";
import { hasEnded, type Intent } from "../queue/intent.ts";
import type { IntentQueue } from "../queue/intent-queue.ts";
import type { NetworkSigns } from "../queue/network-signs.ts";
import { FIRST_STEP } from "../queue/queue-worker.ts";
import { type OutageHistory, openOutageHistory } from "../rotation/outage-history.ts";
import { RenewalFailed } from "../rotation/renewal-fault.ts";
import type { RenewalView } from "../rotation/renewal-ports.ts";
import { RenewalWatch } from "../rotation/renewal-watch.ts";
import { RenewalWork } from "../rotation/renewal-work.ts";
import type { RenewalOperations, RenewedView } from "../sidecar/renewal-operations.ts";
import type { StatePorts } from "./agent-ports.ts";
import { certificateView } from "./certificate-views.ts";
import type { AgentConfig } from "./config.ts";
import type { DeviceTime } from "./device-time.ts";
import { openIssuer } from "./issuer.ts";
import { sealingKeyOf } from "./sealing.ts";
import type { StoreIdentity } from "./store-identity.ts";

export interface RenewalParts {
  readonly config: AgentConfig;
  readonly ports: StatePorts;
  readonly store: CertificateStore;
  readonly identity: StoreIdentity;
  readonly time: DeviceTime;
  readonly queue: IntentQueue;
  /** See `RenewalPorts`; `undefined` in a command. */
  readonly heldMs?: (intent: Intent) => number;
  readonly log: Logger;
  /** What is learned about the network beside renewal; `undefined` in a command. */
  readonly signs?: Pick<NetworkSigns, "listen"> | undefined;
}

/** Never rejects: what is wrong with the issuer is told when it is asked, and does not keep the agent from serving. */
export async function openRenewal(parts: RenewalParts): Promise<Renewal> {
  const { store, time, log, signs } = parts;
  const outages = await openOutageHistory({
    store,
    nowMs: () => time.trusted.dueMs(),
    onFault: (error) => log.emit("renewal.unwritten", { note: "outages", reason: String(error) }),
  });
  signs?.listen({
    cutOff: (forMs) => void outages.cutOff(forMs),
    reached: () => void outages.networkReached(),
  });
  return new Renewal(parts, outages);
}

export class Renewal implements RenewalOperations, AsyncDisposable {
  readonly #parts: RenewalParts;
  readonly #watch: RenewalWatch | undefined;
  readonly #work: RenewalWork | undefined;
  readonly #stopping = Promise.withResolvers<never>();
  #issuer: Issuer | undefined;
  #settings: AgentConfig["renewal"];

  /** Use {@link openRenewal}. */
  constructor(parts: RenewalParts, outages: OutageHistory) {
    this.#parts = parts;
    const { config, ports, store, identity, time, queue, heldMs, log } = parts;
    // Most of the time nobody waits.
    this.#stopping.promise.catch(() => undefined);
    this.#settings = config.renewal;
    const { clock, random } = ports;
    const { source, rotator } = identity;
    const { kind } = config.issuer;
    if (kind !== undefined) {
      const work = {
        ...{ store, source, rotator, queue, clock, random, log },
        keys: new SealedKeyProvider({
          sealingKey: sealingKeyOf(config, store.dir, ports),
          random,
          hasSealedKeys: () => store.history().length > 0 || store.pendingKeys().size > 0,
        }),
        issuer: this.#issuerOf(kind),
        authority: createHash("sha256").update(JSON.stringify(config.issuer)).digest("hex"),
        settings: () => this.#settings,
        time: time.trusted,
        ...(heldMs === undefined ? {} : { heldMs }),
      };
      this.#work = new RenewalWork(work, outages);
      this.#watch = new RenewalWatch({ ...work, jumps: time.jumps, work: this.#work, outages });
    }
  }

  /** For the queue's worker; none without an issuer. */
  get handlers(): IntentHandlers {
    const work = this.#work;
    if (work === undefined) return {};
    const handle = handlerOf(work);
    return { renew: handle, "re-key": handle };
  }

  /** Begins to watch when the certificate is due. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#watch?.start(signal);
  }

  /** Reads what was planned, and waits for nothing. */
  async recall(): Promise<void> {
    await this.#watch?.recall();
  }

  /** Another configuration is in force. */
  apply({ renewal }: AgentConfig): void {
    this.#settings = renewal;
    this.#watch?.settingsChanged();
  }

  /** `undefined` without an issuer. */
  status(): RenewalView | undefined {
    const view = this.#watch?.view();
    return view === undefined ? undefined : { ...view, lastSuccessAt: this.#lastSuccessAt() };
  }

  async view(): Promise<RenewalView> {
    return { ...this.#watched().view(), lastSuccessAt: this.#lastSuccessAt() };
  }

  async renew(): Promise<RenewedView> {
    const watch = this.#watched();
    const { queue } = this.#parts;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let wanted: string | undefined;
    // One that was under way before anybody asked: what it fails for may be over by now.
    let before: number | undefined;
    const end = queue.onChange(({ what, intent }) => {
      if (intent.id !== wanted) return;
      if (what === "ended" && intent.state === "done") resolve();
      else if (what === "ended" || what === "dropped") reject(ended(intent, what));
      else if (what === "failed" && intent.attempts === before) {
        before = undefined;
        queue.retry(intent.id).catch(reject);
      } else if (what === "failed") reject(this.#failure(intent));
    });
    try {
      const intent = await watch.ask();
      wanted = intent.id;
      if (intent.state === "running") before = intent.attempts;
      // It may have been quick.
      const now = queue.find(intent.id);
      if (now !== undefined && hasEnded(now) && now.state === "done") resolve();
      await Promise.race([promise, this.#stopping.promise]);
    } finally {
      end();
    }
    return this.#renewed();
  }

  /** Nobody works the queue off any more: whoever waits in {@link renew} or for an enrolment, or comes to, is told so. */
  endWaits(): void {
    this.#parts.identity.endWaits();
    const words =
      "the agent is stopping; the renewal stays in the queue, and goes on when it starts";
    this.#stopping.reject(new AgentError("ERR_QUEUE_CLOSED", words));
  }

  /** As {@link renew}, where nobody works the queue off: a command while no agent runs. */
  async renewAlone(signal: AbortSignal): Promise<RenewedView> {
    const watch = this.#watched();
    const { queue } = this.#parts;
    const { id, step = FIRST_STEP } = await watch.ask();
    const begun = await queue.begin(id, step);
    try {
      const advance = queue.advance.bind(queue, id);
      await this.#work?.handle(begun, { advance }, signal);
    } catch (error) {
      const retryAfterMs = error instanceof RenewalFailed ? error.retryAfterMs : undefined;
      await queue.fail(id, error, retryAfterMs);
      throw error;
    }
    await queue.finish(id);
    await watch.clear();
    await watch.recall(this.#parts.time.trusted.dueMs());
    return this.#renewed();
  }

  /** Other roots are trusted: the issuer is asked with these, and a renewal that failed is tried at once. */
  async pinAnew(): Promise<void> {
    this.#issuer = undefined;
    await this.#watch?.nudge();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
  }

  #watched(): RenewalWatch {
    if (this.#watch !== undefined) return this.#watch;
    throw new AgentError("ERR_ISSUER_NONE", "the configuration names no authority to renew with");
  }

  #renewed(): RenewedView {
    const { store, identity } = this.#parts;
    const { leaf } = identity;
    const { current } = store;
    if (leaf === undefined || current === undefined) {
      throw new AgentError("ERR_IDENTITY_NONE", "the certificate store is empty");
    }
    return {
      generation: current.number,
      leaf: certificateView(leaf),
      remarks: this.#work?.remarks ?? [],
      renewal: this.#watched().view(),
    };
  }

  #lastSuccessAt(): number | undefined {
    const { store } = this.#parts;
    const inForce = store.current?.number ?? 0;
    // One that is newer than what is in force is not there yet, or has failed.
    const renewed = store.history().filter(({ origin, mark, number }) => {
      return origin === "renewal" && mark !== "bad" && number <= inForce;
    });
    return renewed.length === 0
      ? undefined
      : Math.max(...renewed.map(({ createdAt }) => createdAt));
  }

  #failure({ lastError = "" }: Intent): AgentError {
    const fault = this.#work?.lastError;
    if (fault === undefined) return new AgentError("ERR_INTERNAL", lastError);
    const { code, words, fix, reason } = fault;
    return new AgentError(code, words, { fields: { fix, cause: reason } });
  }

  /** Opened when it is first asked; a trust update has it opened anew, as it pins what the update says. */
  #issuerOf(kind: Issuer["kind"]): Issuer {
    const now = async (): Promise<Issuer> => {
      const { config, ports, store, time } = this.#parts;
      this.#issuer ??= await openIssuer({ config, ports, store, time: time.trusted });
      if (this.#issuer !== undefined) return this.#issuer;
      throw new AgentError("ERR_ISSUER_NONE", "the configuration names no authority");
    };
    return {
      kind,
      enroll: async (request, signal) => (await now()).enroll(request, signal),
      renew: async (own, signal) => (await now()).renew(own, signal),
      rekey: async (own, next, csrPem, signal) => (await now()).rekey(own, next, csrPem, signal),
    };
  }
}

function ended({ id, state }: Intent, what: string): AgentError {
  const words = `${id} is ${what === "dropped" ? "dropped" : state}: nothing was renewed`;
  return new AgentError("ERR_QUEUE_SEQUENCE", words);
}

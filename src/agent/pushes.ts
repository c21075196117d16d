/**
 * What is brought to the device: identities that go in force when they may, and trust updates. Put together
 * from the configuration: what works the queue's intents off, what looks for updates, what the command line
 * asks.
 */
import { AgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { parseFleetKey } from "../identity/time/time-statement.ts";
import { handlerOf, type IntentHandlers } from "../queue/handlers.ts";
import type { Intent } from "../queue/intent.ts";
import type { IntentQueue } from "../queue/intent-queue.ts";
import { FIRST_STEP } from "../queue/queue-worker.ts";
import { InstallFailed } from "../rotation/install-failure.ts";
import { type AcceptedInstall, InstallWork } from "../rotation/install-work.ts";
import { type TrustUpdateOutcome, TrustUpdates } from "../rotation/trust-updates.ts";
import { type AcceptedTrust, type KnownTrust, TrustWork } from "../rotation/trust-work.ts";
import type { LaterRequest, PushOperations } from "../sidecar/push-operations.ts";
import { HttpFetch } from "../transport/http-fetch.ts";
import type { StatePorts } from "./agent-ports.ts";
import type { AgentConfig } from "./config.ts";
import type { DeviceTime } from "./device-time.ts";
import { nameOf } from "./open-identity.ts";
import { proxyOf } from "./outbound.ts";
import type { Renewal } from "./renewal.ts";
import type { StoreIdentity } from "./store-identity.ts";
import { TrustIntake } from "./trust-intake.ts";

export interface PushParts {
  readonly config: AgentConfig;
  readonly ports: Pick<StatePorts, "clock" | "files" | "network">;
  readonly store: CertificateStore;
  readonly identity: StoreIdentity;
  readonly time: DeviceTime;
  readonly queue: IntentQueue;
  /** Told of new roots. */
  readonly renewal: Pick<Renewal, "pinAnew">;
  readonly log: Logger;
}

const DAY_MS = 86_400_000;

export class Pushes implements PushOperations, AsyncDisposable {
  readonly #queue: IntentQueue;
  readonly #installs: InstallWork;
  readonly #trust: TrustWork;
  readonly #intake: TrustIntake;
  readonly #stopping = Promise.withResolvers<never>();

  constructor(parts: PushParts) {
    const { config, ports, store, identity, time, queue, renewal, log } = parts;
    const { clock, files, network } = ports;
    const { rotator, keys } = identity;
    // Most of the time nobody waits.
    this.#stopping.promise.catch(() => undefined);
    this.#queue = queue;
    this.#installs = new InstallWork({ store, keys, queue, rotator, time: time.trusted, log });
    const fleetKeys = config.trust.updateKeys.map(parseFleetKey);
    const updates = new TrustUpdates({
      ...{ store, rotator, log, keys: () => fleetKeys },
      device: () => nameOf(identity),
      time: () => time.trusted.view(),
      overlapMs: () => config.trust.overlapDays * DAY_MS,
      onTaken: () => renewal.pinAnew(),
    });
    const view = () => time.trusted.view();
    this.#trust = new TrustWork({ store, queue, updates, time: view, log });
    const trustBundlePem = (): string => store.current?.trustBundlePem ?? "";
    this.#intake = new TrustIntake({
      ...{ updates: this.#trust, files, clock, log },
      http: new HttpFetch({ network, clock, proxy: proxyOf(config), trustBundlePem }),
      file: config.trust.updateFile,
      url: config.trust.updateUrl,
    });
  }

  /** For the queue's worker. */
  get handlers(): IntentHandlers {
    return { install: handlerOf(this.#installs), trust: handlerOf(this.#trust) };
  }

  /** Removes what a crash has left, and begins to look for trust updates. */
  async start(): Promise<void> {
    await this.clear();
    this.#intake.start();
  }

  /** Removes what no intent needs any more, and from now on what belongs to those that end. */
  async clear(): Promise<void> {
    await this.#installs.start();
    await this.#trust.start();
  }

  async installLater(request: LaterRequest): Promise<AcceptedInstall> {
    const { certificatesPem, keyPem, trustPem, force } = request;
    return this.#installs.accept({
      ...{ chainPem: certificatesPem, privateKeyPem: keyPem, trustBundlePem: trustPem },
      ...{ force, origin: "import" },
    });
  }

  async takeTrust(text: string): Promise<TrustUpdateOutcome> {
    return this.#taken(text, async ({ id }) => {
      const now = this.#queue.find(id);
      if (now === undefined || now.state === "done") return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const unlisten = this.#queue.onChange(({ what, intent }) => {
        if (intent.id === id && ["ended", "failed", "dropped"].includes(what)) resolve();
      });
      try {
        // One that has waited, failed or been interrupted before: somebody asks for it now.
        if (now.state !== "waiting" || now.attempts > 0) await this.#queue.retry(id);
        await Promise.race([promise, this.#stopping.promise]);
      } finally {
        unlisten();
      }
    });
  }

  /** As {@link takeTrust}, where nobody works the queue off: a command while no agent runs. */
  takeTrustAlone(text: string, signal: AbortSignal): Promise<TrustUpdateOutcome> {
    return this.#taken(text, async ({ id }) => {
      const found = this.#queue.find(id);
      const { step = FIRST_STEP } =
        found?.state === "failed" ? await this.#queue.retry(id) : (found ?? {});
      const begun = await this.#queue.begin(id, step);
      const advance = this.#queue.advance.bind(this.#queue, id);
      try {
        await this.#trust.handle(begun, { advance }, signal);
        await this.#queue.finish(id);
      } catch (error) {
        if (!(error instanceof InstallFailed)) throw error;
        if (error.permanent) await this.#queue.giveUp(id, error);
        else await this.#queue.fail(id, error, error.retryAfterMs);
      }
    });
  }

  /** Nobody works the queue off any more: whoever waits in {@link takeTrust}, or comes to, is told so. */
  endWaits(): void {
    const words =
      "the agent is stopping; the trust update stays in the queue, and goes on when it starts";
    this.#stopping.reject(new AgentError("ERR_QUEUE_CLOSED", words));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#intake[Symbol.asyncDispose]();
    await this.#installs[Symbol.asyncDispose]();
    await this.#trust[Symbol.asyncDispose]();
  }

  async #taken(
    text: string,
    work: (accepted: AcceptedTrust) => Promise<void>,
  ): Promise<TrustUpdateOutcome> {
    const accepted: AcceptedTrust | KnownTrust = await this.#trust.accept(text);
    if ("outcome" in accepted) return accepted;
    const { id, sequence, steps } = accepted;
    if (accepted.state === "superseded") {
      const words = `a newer trust update than ${sequence} waits in the queue already`;
      return { outcome: "known", sequence, steps: 0, words };
    }
    await work(accepted);
    return outcomeOf(this.#queue.find(id), { id, sequence, steps });
  }
}

/** @throws AgentError with the code of what it was refused for. */
function outcomeOf(
  intent: Intent | undefined,
  { id, sequence, steps }: Omit<AcceptedTrust, "state">,
): TrustUpdateOutcome {
  const { state, lastError = "" } = intent ?? {};
  if (state === "done") {
    const words = `trust update ${sequence} is in force`;
    return { outcome: "taken", sequence, steps, words };
  }
  if (state === "waiting" || state === "running") {
    const words = `trust update ${sequence} is not in force yet, and waits in the queue as ${id}: ${lastError}`;
    return { outcome: "waiting", sequence, steps, words };
  }
  const what = state === undefined ? "was dropped" : `is ${state}`;
  throw new AgentError("ERR_TRUST_UPDATE", `${id} ${what}: ${lastError}`);
}

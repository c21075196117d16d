/**
 * The certificate store of a device whose agent does not run, opened by a command.
 */
import { AgentError } from "../base/errors.ts";
import { SILENT } from "../base/log.ts";
import type { Destruction, SealingKeySource } from "../identity/keys/sealing-key.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { TrustedTime } from "../identity/time/trusted-time.ts";
import type { TlsMaterialSource } from "../identity/tls-material.ts";
import type { Reason } from "../identity/validator/candidate-report.ts";
import { AttemptBudget } from "../queue/attempt-budget.ts";
import { CandidateRefused } from "../rotation/candidate-refused.ts";
import type { ClockView } from "../sidecar/admin-operations.ts";
import type {
  CertificateOperations,
  CertificateView,
  IdentityView,
  ImportRequest,
  InstallView,
} from "../sidecar/certificate-operations.ts";
import type { PushOperations } from "../sidecar/push-operations.ts";
import type { QueueOperations } from "../sidecar/queue-operations.ts";
import type { RenewalOperations } from "../sidecar/renewal-operations.ts";
import type { StatePorts } from "./agent-ports.ts";
import type { AgentConfig } from "./config.ts";
import { clockView, type DeviceTime, openDeviceTime } from "./device-time.ts";
import { openStore } from "./open-store.ts";
import { Pushes } from "./pushes.ts";
import { openRenewal } from "./renewal.ts";
import { openRevocation } from "./revocation.ts";
import { openIdleIntents, openIdleQueue } from "./rotation-queue.ts";
import { sealingKeyOf } from "./sealing.ts";
import { openStoreIdentity, type StoreIdentity } from "./store-identity.ts";

/** The key comes with it: those of the store are destroyed. */
export type ReplacementFiles = Pick<ImportRequest, "certificatesPem" | "keyPem" | "trustPem">;

export interface Replacement {
  /** What was in force. */
  readonly replaced: CertificateView;
  readonly installed: InstallView;
}

export interface ResetView {
  readonly epoch: string;
  /** What became of the sealing key; `undefined` when it stays. */
  readonly sealing: Destruction | undefined;
}

/** @throws AgentError `ERR_STORE_NONE` without `store.dir`; `ERR_STORE_*`. */
export async function openIdleStore(config: AgentConfig, ports: StatePorts): Promise<IdleStore> {
  const store = await openStore(config, ports, SILENT);
  if (store === undefined) {
    throw new AgentError("ERR_STORE_NONE", "the configuration has no certificate store");
  }
  return new IdleStore(store, config, ports);
}

export class IdleStore implements AsyncDisposable {
  readonly #store: CertificateStore;
  readonly #config: AgentConfig;
  readonly #ports: StatePorts;
  readonly #open = new AsyncDisposableStack();
  #identity: Promise<StoreIdentity> | undefined;
  #time: Promise<DeviceTime> | undefined;

  /** Use {@link openIdleStore}. */
  constructor(store: CertificateStore, config: AgentConfig, ports: StatePorts) {
    this.#store = this.#open.use(store);
    this.#config = config;
    this.#ports = ports;
  }

  /** The rotation queue beside the store. @throws AgentError `ERR_QUEUE_FORMAT`, `ERR_QUEUE_IO`. */
  async queue(): Promise<QueueOperations> {
    return this.#open.use(await openIdleQueue(this.#store, this.#ports));
  }

  /**
   * Renewal by this process; nothing is renewed but by {@link RenewalOperations.renew}.
   *
   * @throws As {@link certificates} and {@link queue}.
   */
  async renewal(): Promise<RenewalOperations> {
    const { renewal } = await this.#openRenewal();
    return {
      view: () => renewal.view(),
      renew: () => renewal.renewAlone(new AbortController().signal),
    };
  }

  /**
   * Takes what is brought to the device. Trust updates are put in force by this process; identities wait for
   * the agent.
   *
   * @throws As {@link certificates} and {@link queue}.
   */
  async pushes(): Promise<PushOperations> {
    const { renewal, ...rest } = await this.#openRenewal();
    const { clock, files, network } = this.#ports;
    const pushes = this.#open.use(
      new Pushes({ config: this.#config, ports: { clock, files, network }, renewal, ...rest }),
    );
    await pushes.clear();
    return {
      installLater: (request) => pushes.installLater(request),
      takeTrust: (text) => pushes.takeTrustAlone(text, new AbortController().signal),
    };
  }

  async #openRenewal() {
    const store = this.#store;
    const identity = await this.#opened();
    const queue = this.#open.use(await openIdleIntents(this.#store, this.#ports));
    const parts = { store, identity, queue, time: await this.#openTime(), log: SILENT };
    const renewal = this.#open.use(
      await openRenewal({ config: this.#config, ports: this.#ports, ...parts }),
    );
    await renewal.recall();
    return { renewal, ...parts };
  }

  /**
   * Takes up what the last process left half done, as an agent would.
   *
   * @throws AgentError `ERR_KEY_*`, `ERR_CERT_*` when what is in force can't be used on this device.
   */
  async certificates(): Promise<CertificateOperations> {
    return (await this.#opened()).certificates;
  }

  /**
   * What the device shows of itself, with the key that stays in this process; absent while the store is
   * empty.
   *
   * @throws As {@link certificates}.
   */
  async source(): Promise<TlsMaterialSource> {
    return (await this.#opened()).source;
  }

  /** What `status` of an agent would say of it. @throws As {@link certificates}. */
  async view(): Promise<IdentityView> {
    return (await this.#opened()).view();
  }

  /** What is known of the time, with the floor that the store keeps. */
  async clock(): Promise<ClockView> {
    return clockView(await this.#openTime(), this.#ports.clock);
  }

  #openTime(): Promise<DeviceTime> {
    const begin = async (): Promise<DeviceTime> => {
      const options = { ports: this.#ports, log: SILENT, store: this.#store };
      const { time: config } = this.#config;
      return this.#open.use(await openDeviceTime({ ...options, config, device: () => undefined }));
    };
    this.#time ??= begin();
    return this.#time;
  }

  #opened(): Promise<StoreIdentity> {
    this.#identity ??= this.#openIdentity();
    return this.#identity;
  }

  async #openIdentity(): Promise<StoreIdentity> {
    const options = { ports: this.#ports, log: SILENT, store: this.#store };
    const time = await this.#openTime();
    const identity = await openStoreIdentity(
      {
        ...options,
        sealingKey: this.#sealingKey(),
        config: this.#config,
        time: time.trusted,
        use: { usedBy: () => [] },
        revoked: (...pems) => this.#revoked(...pems, time.trusted),
      },
      new AbortController().signal,
    );
    return this.#open.use(identity);
  }

  /**
   * The same name with another key: what was there is destroyed, a new epoch begins.
   *
   * @throws AgentError `ERR_IDENTITY_NONE` for an empty store; `ERR_CERT_REFUSED` when the certificate is
   *   no good, of another name, or has the same key: nothing has changed. After that a failure leaves
   *   the store empty, and the same command again finishes it.
   */
  async replace(files: ReplacementFiles): Promise<Replacement> {
    const certificates = await this.certificates();
    const { leaf: replaced, key } = await certificates.show();
    const request = { ...files, trustPem: files.trustPem ?? this.#store.current?.trustBundlePem };
    const checked = await certificates.install({ ...request, dryRun: true, force: false });
    if (checked.key.spkiSha256 === key.spkiSha256) {
      const words = "the certificate has the key of the one in force";
      throw new CandidateRefused([
        { code: "same-key", words, fix: "make a new key, or use `microedge cert import`" },
      ]);
    }
    await this.#store.reset();
    const installed = await certificates.install({ ...request, dryRun: false, force: false });
    return { replaced, installed };
  }

  /**
   * Destroys keys and certificates and begins a new epoch; also of a store whose keys can't be opened.
   *
   * @param decommission Also what seals the keys.
   */
  async reset(decommission: boolean): Promise<ResetView> {
    await this.#store.reset();
    const sealing = decommission ? await this.#sealingKey().destroy() : undefined;
    return { epoch: this.#store.epoch, sealing };
  }

  /** What lists in files, kept lists and the deny list know of a certificate that is to go in force. */
  async #revoked(
    chainPem: string,
    trustBundlePem: string,
    time: TrustedTime,
  ): Promise<readonly Reason[]> {
    const current = { chainPem, trustBundlePem, key: "", digest: "" };
    const source: TlsMaterialSource = { current, subscribe: () => () => undefined };
    const { clock, random } = this.#ports;
    await using revocation = openRevocation(
      this.#config,
      { ...this.#ports, log: { log: SILENT } },
      source,
      { budget: new AttemptBudget({ clock, random, device: "" }) },
      () => time.view(),
    );
    await revocation?.recall();
    return revocation?.objections(chainPem) ?? [];
  }

  /** Found when it is needed: a reset must work where the key that seals is out of reach. */
  #sealingKey(): SealingKeySource {
    return sealingKeyOf(this.#config, this.#store.dir, this.#ports);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#open.disposeAsync();
  }
}

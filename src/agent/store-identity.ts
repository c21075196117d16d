/**
 * The device's identity in the certificate store: what is in force, how it is replaced, and what is told
 * of it. The same for a running agent and for a command that opens the store of a stopped one.
 */
import type { Logger } from "../base/log.ts";
import type { ReloadOutcome } from "../identity/file-source.ts";
import type { KeyProvider } from "../identity/keys/key-provider.ts";
import { SealedKeyProvider } from "../identity/keys/sealed-key-provider.ts";
import type { SealingKeySource } from "../identity/keys/sealing-key.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { TimeClaim } from "../identity/time/time-claim.ts";
import type { PeerClock, TimeView } from "../identity/time/time-view.ts";
import type { Reason } from "../identity/validator/candidate-report.ts";
import { validateCandidate } from "../identity/validator/validate-candidate.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import { type ProbePeer, tlsPeerProbe } from "../rotation/peer-probe.ts";
import { Rotator } from "../rotation/rotator.ts";
import { StoreSource } from "../rotation/store-source.ts";
import type { CertificateOperations, IdentityView } from "../sidecar/certificate-operations.ts";
import { memoryHandshakeTrial } from "../transport/handshake-trial.ts";
import type { StatePorts } from "./agent-ports.ts";
import { certificateView } from "./certificate-views.ts";
import type { AgentConfig } from "./config.ts";
import { DomainFiles } from "./domain-files.ts";
import { Enrolment } from "./enrolment.ts";
import { proxyOf } from "./outbound.ts";
import type { IdentityUse, OwnIdentity } from "./own-identity.ts";
import { StoreCertificates } from "./store-certificates.ts";

/** Longer than a round trip on the worst link, and than a refusal takes to arrive. */
const PROBE_SETTLE_MS = 3_000;

export interface StoreIdentityOptions {
  readonly store: CertificateStore;
  readonly sealingKey: SealingKeySource;
  readonly config: AgentConfig;
  readonly ports: StatePorts;
  readonly log: Logger;
  readonly time: PeerClock & { view(): TimeView; claim(claim: TimeClaim): unknown };
  readonly use: IdentityUse;
  /** What revocation lists and responders have against a chain of our own. */
  readonly revoked: (chainPem: string, trustBundlePem: string) => Promise<readonly Reason[]>;
}

/**
 * Puts in force what the store holds; an empty store is no error.
 *
 * @throws AgentError `ERR_KEY_*`, `ERR_CERT_*` when what it holds can't be used on this device.
 */
export async function openStoreIdentity(
  options: StoreIdentityOptions,
  signal: AbortSignal,
): Promise<StoreIdentity> {
  const identity = new StoreIdentity(options);
  await identity.start(signal);
  return identity;
}

export class StoreIdentity implements OwnIdentity {
  readonly source = new StoreSource();
  readonly certificates: CertificateOperations;
  readonly rotator: Rotator;
  readonly keys: KeyProvider;
  readonly #store: CertificateStore;
  readonly #domains: DomainFiles;
  readonly #config: AgentConfig;
  readonly #enrolment: Enrolment;
  #peers: readonly ProbePeer[];

  /** Use {@link openStoreIdentity}. */
  constructor(options: StoreIdentityOptions) {
    const { store, sealingKey, config, ports, log, time, use, revoked } = options;
    const { clock, random, network, files } = ports;
    this.#store = store;
    this.#config = config;
    this.#peers = config.probation.peers;
    const keys = new SealedKeyProvider({
      sealingKey,
      random,
      hasSealedKeys: () => store.history().length > 0 || store.pendingKeys().size > 0,
    });
    this.keys = keys;
    const trial = memoryHandshakeTrial(clock);
    this.rotator = new Rotator({
      store,
      source: this.source,
      keys,
      trial,
      validate: (candidate, purpose) =>
        validateCandidate(
          candidate,
          {
            time: time.view(),
            current: purpose === "fall-back" ? undefined : store.current,
            policy: {
              allowOlder: purpose === "forced",
              allowOtherIdentity: purpose === "forced",
              answered: purpose === "answered",
              tolerateNotYetValid: config.time.notYetValid === "tolerate",
            },
          },
          trial,
        ),
      revoked,
      probe: tlsPeerProbe({
        network,
        proxy: proxyOf(config),
        clock,
        minVersion: config.tls.minVersion,
        timeoutMs: config.client.connectTimeoutMs,
        settleMs: PROBE_SETTLE_MS,
      }),
      peers: () => this.#peers,
      time: () => time.view(),
      clock,
      random,
      log,
    });
    this.#domains = new DomainFiles({
      files,
      clock,
      log,
      intervalMs: config.tls.reloadIntervalMs,
      onChange: (bundles) => this.source.follow(bundles),
    });
    this.#enrolment = new Enrolment({
      ...{ config, ports, store, keys, rotator: this.rotator, time },
      claim: (claim) => void time.claim(claim),
    });
    this.certificates = new StoreCertificates({
      identity: this,
      store,
      keys,
      random,
      use,
      enrolment: this.#enrolment,
    });
  }

  /** Use {@link openStoreIdentity}. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#domains.start(this.#config.acl?.bundles ?? []);
    await this.rotator.start(signal);
  }

  /** The agent stops: whoever waits for an enrolment is told so. */
  endWaits(): void {
    this.#enrolment.stop();
  }

  get leaf(): Certificate | undefined {
    return this.source.leaf;
  }

  get warnings(): readonly string[] {
    const status = this.rotator.status();
    const { fault, healed } = this.#store.health;
    return [
      ...(fault === undefined ? [] : [`the certificate store can't be written: ${fault}`]),
      ...healed.map((words) => `the certificate store was repaired: ${words}`),
      ...(status?.state === "ROLLED_BACK" ? [status.words] : []),
    ];
  }

  get refusal(): undefined {
    return undefined;
  }

  view(): IdentityView {
    const status = this.rotator.status();
    const leaf = this.leaf === undefined ? undefined : certificateView(this.leaf);
    const { dir, epoch, health, wear } = this.#store;
    const { bytesWritten, syncs, bytesToday, budgetBytesPerDay } = wear;
    return {
      source: "store",
      generation: status?.generation.number ?? 0,
      state: status?.state,
      words: status?.words,
      notAfter: leaf?.notAfter,
      serial: leaf?.serial,
      spiffeId: leaf?.spiffeId,
      epoch,
      store: { dir, ...health, wear: { bytesWritten, syncs, bytesToday, budgetBytesPerDay } },
    };
  }

  apply({ acl, probation }: AgentConfig): void {
    this.#domains.follow(acl?.bundles ?? []);
    void this.#domains.look();
    if (JSON.stringify(probation.peers) === JSON.stringify(this.#peers)) return;
    this.#peers = probation.peers;
    this.rotator.peersChanged();
  }

  async reload(): Promise<ReloadOutcome> {
    const reasons = await this.#domains.look();
    return reasons.length === 0 ? { kind: "unchanged" } : { kind: "refused", reasons };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#domains[Symbol.dispose]();
    await this.rotator[Symbol.asyncDispose]();
  }
}

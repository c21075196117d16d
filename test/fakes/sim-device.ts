/**
 * One device of a simulation, of the product's own parts: store and queue on a disk that can lose its power,
 * trusted time, validator, rotator, renewal, the pins of its issuer, and the intake of trust updates with the
 * intents that put them in force. Simulated are the clock, the disk, the network with what answers on it, and
 * OpenSSL's handshake. A run of it ends by a power cut, and the next one finds what the disk kept.
 */
import { TrustIntake } from "#src/agent/trust-intake.ts";
import type { Clock } from "#src/host/clock.ts";
import type { Random } from "#src/host/random.ts";
import type { KeyReference } from "#src/identity/keys/key-provider.ts";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import { openCertificateStore } from "#src/identity/store/open-store.ts";
import { JumpWatch } from "#src/identity/time/jump-watch.ts";
import { openTrustedTime, type TrustedTime } from "#src/identity/time/trusted-time.ts";
import { validateCandidate } from "#src/identity/validator/validate-candidate.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { openIssuerRoots } from "#src/issuers/issuer-roots.ts";
import { AttemptBudget } from "#src/queue/attempt-budget.ts";
import type { DurableIntentQueue } from "#src/queue/durable-intent-queue.ts";
import { handlerOf } from "#src/queue/handlers.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import { QueueWorker } from "#src/queue/queue-worker.ts";
import { openOutageHistory } from "#src/rotation/outage-history.ts";
import { RenewalWatch } from "#src/rotation/renewal-watch.ts";
import { KEY_PREFIX, RenewalWork } from "#src/rotation/renewal-work.ts";
import { Rotator } from "#src/rotation/rotator.ts";
import { StoreSource } from "#src/rotation/store-source.ts";
import { TrustUpdates, takenBundle } from "#src/rotation/trust-updates.ts";
import { TrustWork } from "#src/rotation/trust-work.ts";
import { FakeRandom } from "./fake-random.ts";
import { MemoryKeys } from "./memory-keys.ts";
import { PowerDisk, STORE_DIR } from "./power-disk.ts";
import { RecordingLog } from "./recording-log.ts";
import { simTrial } from "./sim-trial.ts";
import { never, RunClock, type SimAuthority } from "./sim-world.ts";
import { FREE_LOCK } from "./store.ts";
import type { TrustSigner } from "./trust-signer.ts";

const HOUR_MS = 3_600_000;

export interface DeviceOptions {
  readonly truth: Clock;
  readonly authority: SimAuthority;
  readonly signer: TrustSigner;
  /** What is found where the fleet publishes trust updates; rejects while nothing is. */
  readonly fetchUpdates: () => Promise<string>;
  readonly online: () => boolean;
  readonly seed: number;
  /** Default: one that can lose its power. */
  readonly disk?: PowerDisk;
  /** Bytes of the queue's log; default that of the product. */
  readonly queueBytes?: number;
  /** Default one that repeats by the seed. */
  readonly random?: Random;
  /** Nobody works the queue off: what the checks must notice. */
  readonly idle?: boolean;
  /** Keys lie in memory only while their certificate is asked for: the careless device. */
  readonly naive?: boolean;
}

interface Run {
  readonly clock: RunClock;
  readonly store: CertificateStore;
  readonly queue: DurableIntentQueue;
  readonly source: StoreSource;
  readonly rotator: Rotator;
  readonly time: TrustedTime;
  readonly jumps: JumpWatch;
  readonly watch: RenewalWatch;
  synchronised: boolean;
}

export class SimDevice {
  readonly #options: DeviceOptions;
  readonly #keys = new MemoryKeys();
  #disk: PowerDisk;
  #run: Run | undefined;
  #boots = 0;
  #bytesBefore = 0;
  /** Events of this life that a test may want. */
  readonly log = new RecordingLog("warn");

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.#disk = options.disk ?? new PowerDisk();
  }

  get isOn(): boolean {
    return this.#run !== undefined;
  }

  /** End of the certificate in force, Unix ms; 0 while the device is off. */
  get notAfter(): number {
    return this.#run?.source.leaf?.summary.notAfter ?? 0;
  }

  get generation(): number {
    return this.#run?.store.current?.number ?? 0;
  }

  get trustBundle(): string {
    return this.#run?.store.current?.trustBundlePem ?? "";
  }

  get dueAt(): number | undefined {
    return this.#run?.watch.due()?.dueAt;
  }

  /** Names of keys that wait for their certificate. */
  get pendingKeys(): readonly string[] {
    return [...(this.#run?.store.pendingKeys().keys() ?? [])];
  }

  /** Handed to the file system since the beginning. */
  get bytesWritten(): number {
    const run = this.#run;
    const now = run === undefined ? 0 : run.store.wear.bytesWritten + run.queue.wear.bytesWritten;
    return this.#bytesBefore + now;
  }

  get disk(): PowerDisk {
    return this.#disk;
  }

  /** @param lostClock The clock begins at 1970, as without a battery. */
  async boot(lostClock: boolean): Promise<void> {
    const { truth, authority, signer, seed, fetchUpdates, queueBytes } = this.#options;
    this.#boots += 1;
    const clock = new RunClock(truth);
    if (lostClock) clock.offsetMs = -truth.now();
    const disk = this.#disk;
    const random = this.#options.random ?? new FakeRandom(seed * 7919 + this.#boots);
    const { log } = this;
    const shared = { disk, clock, random, log };
    const kept = await openCertificateStore({ dir: STORE_DIR, lock: FREE_LOCK, ...shared });
    const store = this.#options.naive === true ? forgetful(kept) : kept;
    const jumps = new JumpWatch({ clock, log, intervalMs: HOUR_MS / 4 });
    jumps.start();
    const alive: Pick<Run, "synchronised"> = { synchronised: !lostClock };
    const time = await openTrustedTime({
      ...{ notes: store, device: () => "roof-7", builtAt: 0, jumps, clock, random, log },
      timeSync: async () => ({ synchronised: alive.synchronised, words: "simulated" }),
    });
    const source = new StoreSource();
    const trial = simTrial(() => clock.now());
    const rotator = new Rotator({
      ...{ store, source, keys: this.#keys, clock, random, log, trial },
      // As src/agent/store-identity.ts does it, with what is configured by default.
      validate: (candidate, purpose) => {
        const current = purpose === "fall-back" ? undefined : store.current;
        const policy = { answered: purpose === "answered" };
        return validateCandidate(candidate, { time: time.view(), current, policy }, trial);
      },
      revoked: async () => [],
      probe: never,
      peers: () => [],
      time: () => time.view(),
    });
    if (store.current === undefined) {
      const key = await this.#keys.create();
      const chainPem = authority.first("roof-7", await this.#keys.open(key));
      const content = { key, chainPem, trustBundlePem: authority.rootPem };
      await rotator.install(content, { origin: "enrolment" });
    } else {
      await rotator.start(new AbortController().signal);
    }
    const queue = await openIntentQueue({
      ...{ path: `${STORE_DIR}/queue/intents`, epoch: store.epoch, device: "roof-7", ...shared },
      ...(queueBytes === undefined ? {} : { logBytes: queueBytes }),
    });
    const budget = new AttemptBudget({
      ...{ clock, random, device: `${seed}`, saved: queue.savedAttempts },
    });
    queue.keepAttempts(() => budget.save());
    const nameOf = (spki: string): string | undefined => {
      const pending = [...store.pendingKeys()].find(([, { spkiSha256 }]) => spkiSha256 === spki);
      return pending?.[0].startsWith(KEY_PREFIX) ? `${store.epoch} ${pending[0]}` : undefined;
    };
    const roots = async () =>
      openIssuerRoots({
        rootSha256: parseCertificate(authority.pinnedPem).summary.fingerprint,
        bundlePem: await takenBundle(store),
        notes: store,
      });
    const issuer = authority.issuerFor(() => this.#run?.clock === clock, nameOf, roots);
    const ports = {
      ...{ store, source, rotator, queue, clock, random, log, time, issuer, keys: this.#keys },
      settings: () => ({ at: 0.66, rekey: true }),
    };
    const outages = await openOutageHistory({
      ...{ store, nowMs: () => time.dueMs(), onFault: () => undefined },
    });
    const work = new RenewalWork(ports, outages);
    const watch = new RenewalWatch({ ...ports, jumps, work, outages });
    const updates = new TrustUpdates({
      ...{ store, rotator, log, keys: () => [signer.key], device: () => "roof-7" },
      time: () => time.view(),
      overlapMs: () => 30 * 24 * HOUR_MS,
      onTaken: () => watch.nudge(),
    });
    const trust = new TrustWork({ store, queue, updates, log, time: () => time.view() });
    const intake = new TrustIntake({
      ...{ updates: trust, clock, log, file: undefined, url: "http://updates.test/trust" },
      files: { state: never, read: never },
      http: { fetch: () => fetched(fetchUpdates) },
    });
    this.#run = Object.assign(alive, {
      ...{ clock, store, queue, source, rotator, time, jumps, watch },
    });
    await watch.start(new AbortController().signal);
    const renew = handlerOf(work);
    const handlers = {
      ...{ renew, "re-key": renew },
      trust: handlerOf(trust),
    };
    if (this.#options.idle === true) return;
    const worker = new QueueWorker({ queue, budget, handlers, clock, log });
    jumps.onJump(() => worker.wake());
    jumps.onJump(() => rotator.clockChanged());
    worker.start();
    await trust.start();
    intake.start();
  }

  /** What a network does for a device that has one: it tells the time. */
  async synchronise(): Promise<void> {
    const run = this.#run;
    if (run === undefined || !this.#options.online()) return;
    if (run.clock.offsetMs === 0 && run.synchronised) return;
    run.clock.offsetMs = 0;
    run.synchronised = true;
    run.jumps.look();
    await run.time.askTimeService();
  }

  /** The power goes at once, or at a step of the disk to come. */
  cutPower(world: number, afterSteps = 0): void {
    if (afterSteps > 0) {
      this.#disk.fault = { step: this.#disk.steps.length + afterSteps, what: "power" };
      return;
    }
    const run = this.#run;
    if (run === undefined) return;
    this.#bytesBefore = this.bytesWritten;
    run.clock.kill();
    run.jumps[Symbol.dispose]();
    this.#run = undefined;
    this.#disk.cutPower();
    const worlds = this.#disk.worlds(2);
    this.#disk = worlds[world % worlds.length]?.[1] ?? this.#disk;
  }
}

/** A store whose pending keys no power cut survives. */
function forgetful(store: CertificateStore): CertificateStore {
  const keys = new Map<string, KeyReference>();
  const changed: Partial<CertificateStore> = {
    pendingKeys: () => keys,
    keepKey: async (name, key) => void keys.set(name, key),
    dropKey: async (name) => void keys.delete(name),
  };
  return new Proxy(store, {
    get: (target, name) => {
      const own: unknown = Reflect.get(changed, name) ?? Reflect.get(target, name, target);
      return typeof own === "function" ? own.bind(target) : own;
    },
  });
}

async function fetched(from: () => Promise<string>) {
  const mark = { etag: undefined, lastModified: undefined };
  return { kind: "body", bytes: Buffer.from(await from()), mark } as const;
}

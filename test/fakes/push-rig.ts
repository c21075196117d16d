/**
 * A device to which identities and trust updates are brought: the real store and the real queue on one disk
 * that can lose its power, the real rotator, keys in memory, a validator that a test speaks for.
 */
import { errorText } from "#src/base/errors.ts";
import { spkiSha256 } from "#src/identity/keys/sealed-key-provider.ts";
import { materialDigest } from "#src/identity/material-digest.ts";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import type { TimeView } from "#src/identity/time/time-view.ts";
import type { Candidate, Reason } from "#src/identity/validator/candidate-report.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import type { DurableIntentQueue } from "#src/queue/durable-intent-queue.ts";
import type { IntentHandler } from "#src/queue/handlers.ts";
import { hasEnded, type IntentKind } from "#src/queue/intent.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import { FIRST_STEP } from "#src/queue/queue-worker.ts";
import { InstallFailed } from "#src/rotation/install-failure.ts";
import { type InstallPorts, InstallWork } from "#src/rotation/install-work.ts";
import type { ProbePeer } from "#src/rotation/peer-probe.ts";
import { Rotator } from "#src/rotation/rotator.ts";
import { StoreSource } from "#src/rotation/store-source.ts";
import { TrustUpdates } from "#src/rotation/trust-updates.ts";
import { TrustWork } from "#src/rotation/trust-work.ts";
import { type LeafOptions, type TestPki, testPki } from "./certificates.ts";
import { FakeClock, settle } from "./fake-clock.ts";
import { FakeRandom } from "./fake-random.ts";
import { MemoryKeys } from "./memory-keys.ts";
import type { PowerDisk } from "./power-disk.ts";
import { PowerDisk as Disk } from "./power-disk.ts";
import { RecordingLog } from "./recording-log.ts";
import { ACCEPTED, commonNameOf } from "./rotation-rig.ts";
import { openStore } from "./store.ts";
import { TrustSigner } from "./trust-signer.ts";

const NOW = Date.UTC(2026, 5, 1);
const MINUTE_MS = 60_000;

/** A start of the agent on what the disk holds. */
export interface PushedDevice extends AsyncDisposable {
  readonly store: CertificateStore;
  readonly queue: DurableIntentQueue;
  readonly rotator: Rotator;
  readonly source: StoreSource;
  readonly installs: InstallWork;
  readonly trust: TrustWork;
  readonly updates: TrustUpdates;
  readonly log: RecordingLog;
  /** One attempt at what waits of a kind, as the queue's worker makes it; `undefined` when nothing does, or it is held. */
  attempt(kind: IntentKind): Promise<string | undefined>;
  /** Attempts until nothing waits any more, time passing in between; so many at most. */
  workOff(attempts?: number): Promise<void>;
  /** What there is, without numbers of generations, which may be skipped. */
  view(): Promise<string>;
}

export interface Bringing {
  readonly chainPem: string;
  readonly privateKeyPem: string;
}

export class PushRig {
  readonly pki: TestPki;
  readonly keys = new MemoryKeys();
  readonly signer = new TrustSigner();
  readonly clock = new FakeClock(NOW);
  peers: readonly ProbePeer[] = [{ host: "broker.example", port: 8883 }];
  /** Whether the peer takes it; by default it does. */
  accepts = true;
  time: Partial<TimeView> = {};
  /** Of the clock, nobody vouches for; milliseconds. */
  unconfirmedMs = 0;
  judge: (candidate: Candidate) => readonly Reason[] = () => [];
  /** Changes to the ports of installations: a careless device. */
  naive: Partial<InstallPorts> = {};
  naiveStore: (store: CertificateStore) => CertificateStore = (store) => store;

  constructor(pki: TestPki) {
    this.pki = pki;
  }

  static async make(): Promise<PushRig> {
    return new PushRig(await testPki("Test CA", NOW));
  }

  async bring(cn = "roof-7", options: LeafOptions = {}): Promise<Bringing> {
    const { certificatePem, keyPem } = await this.pki.issue(cn, { nowMs: NOW, ...options });
    return { chainPem: certificatePem, privateKeyPem: keyPem };
  }

  /** A disk with a certificate in force, proven. */
  async disk(first: Bringing, disk: PowerDisk = new Disk()): Promise<PowerDisk> {
    await using device = await this.start(disk);
    const key = await this.keys.import(first.privateKeyPem);
    const content = { key, chainPem: first.chainPem, trustBundlePem: this.pki.caPem };
    await device.rotator.install(content, { origin: "import" });
    await device.rotator.settled();
    return disk;
  }

  nowView(): TimeView {
    const nowMs = this.clock.now();
    const view = {
      state: "network",
      nowMs,
      floorMs: 0,
      clockWrong: false,
      words: undefined,
    } as const;
    return { ...view, ...this.time };
  }

  async start(disk: PowerDisk): Promise<PushedDevice> {
    const { clock, keys } = this;
    const log = new RecordingLog();
    const parts = new AsyncDisposableStack();
    const { store: real } = await openStore(disk, { clock, log });
    parts.use(real);
    const store = this.naiveStore(real);
    const random = new FakeRandom();
    const queue = parts.use(
      await openIntentQueue({
        ...{ path: `${store.dir}/queue/intents`, disk, epoch: store.epoch, device: "roof-7" },
        ...{ clock, random, log },
      }),
    );
    const source = new StoreSource();
    const rotator = parts.use(
      new Rotator({
        ...{ store: real, source, keys, clock, random, log },
        validate: async (candidate) => this.#validate(candidate),
        revoked: async () => [],
        trial: { run: async () => ({ kind: "done", server: undefined, client: undefined }) },
        probe: async () =>
          this.accepts ? ACCEPTED : { kind: "unreachable", words: "no route to it" },
        peers: () => this.peers,
        time: () => this.nowView(),
      }),
    );
    await rotator.start(new AbortController().signal);
    const dueMs = (): number => this.nowView().nowMs - this.unconfirmedMs;
    const time = { view: () => this.nowView(), dueMs };
    const installs = new InstallWork({ store, keys, queue, rotator, time, log, ...this.naive });
    const updates = new TrustUpdates({
      ...{ store, rotator, log, keys: () => [this.signer.key], device: () => "roof-7" },
      ...{ time: time.view, overlapMs: () => 86_400_000, onTaken: async () => undefined },
    });
    const trust = new TrustWork({ store, queue, updates, time: time.view, log });
    parts.use(installs);
    parts.use(trust);
    await installs.start();
    await trust.start();
    const attempt = async (kind: IntentKind): Promise<string | undefined> => {
      const work = kind === "install" ? installs : trust;
      const found = queue.list().find((each) => each.kind === kind && !hasEnded(each));
      if (found === undefined || work.holds(found) !== undefined) return undefined;
      const { id, step = FIRST_STEP } = found;
      const begun = await queue.begin(id, step);
      const handle: IntentHandler = work.handle.bind(work);
      const steps = { advance: queue.advance.bind(queue, id) };
      try {
        await handle(begun, steps, new AbortController().signal);
      } catch (error) {
        if (!(error instanceof InstallFailed)) throw error;
        if (error.permanent) await queue.giveUp(id, error);
        else await queue.fail(id, error, error.retryAfterMs);
        return errorText(error);
      }
      await queue.finish(id);
      return "done";
    };
    return {
      ...{ store, queue, rotator, source, installs, trust, updates, log, attempt },
      async workOff(attempts = 4) {
        for (const kind of ["install", "trust"] as const) {
          for (let tries = 0; tries < attempts; tries++) {
            const found = await attempt(kind).catch((error: unknown) => errorText(error));
            if (found === undefined || found === "done") break;
            await clock.advance(MINUTE_MS);
          }
        }
        await Promise.race([rotator.settled(), settle().then(settle)]);
        // What a crash has left without an intent the start must have removed.
        if (queue.list().length === 0) return;
        await installs.sweep();
        await trust.sweep();
      },
      view: async () => viewOf(store, queue),
      async [Symbol.asyncDispose]() {
        await parts.disposeAsync();
      },
    };
  }

  #validate(candidate: Candidate) {
    const { chainPem, trustBundlePem, tlsKey, publicKey } = candidate;
    const leaf = parseCertificate(chainPem);
    const reasons = [...this.judge(candidate)];
    if (spkiSha256(leaf.publicKey) !== spkiSha256(publicKey)) {
      reasons.push({ code: "key-mismatch", words: "the key is another", fix: "" });
    }
    const { nowMs } = this.nowView();
    if (nowMs < leaf.summary.notBefore) {
      reasons.push({ code: "not-yet-valid", words: "its time has not come", fix: "" });
    }
    if (nowMs > leaf.summary.notAfter) {
      reasons.push({ code: "expired", words: "it has ended", fix: "" });
    }
    const digest = materialDigest({ chainPem, trustBundlePem });
    const material = { chainPem, trustBundlePem, key: tlsKey, digest };
    return { reasons, warnings: [], leaf, material: reasons.length === 0 ? material : undefined };
  }
}

async function viewOf(store: CertificateStore, queue: DurableIntentQueue): Promise<string> {
  const { current } = store;
  const leaf = current === undefined ? undefined : parseCertificate(current.chainPem).summary;
  const roots = current?.trustBundlePem.split("-----BEGIN").length ?? 1;
  const bad = store.history().filter(({ mark }) => mark === "bad").length;
  const notes = [...store.noteNames()].filter((name) => /^(?:install|trust)-\d/.test(name));
  const intents = queue.list().map(({ id, state }) => `${id} ${state}`);
  return [
    current === undefined ? "nothing" : `${commonNameOf(current.chainPem)} ${leaf?.serial}`,
    `${current?.mark}, ${roots - 1} roots, ${bad} bad`,
    `keys ${[...store.pendingKeys().keys()].join()}`,
    `notes ${notes.toSorted().join()}`,
    `queue ${intents.join()}`,
  ].join("; ");
}

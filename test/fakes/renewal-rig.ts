/**
 * Renewal with everything around it in memory: the real queue on a disk that can lose its power, the real
 * rotator, a store and an authority in memory.
 */
import { isAgentError } from "#src/base/errors.ts";
import type { ClockJump } from "#src/identity/time/jump-watch.ts";
import type { TimeClaim } from "#src/identity/time/time-claim.ts";
import type { Intent } from "#src/queue/intent.ts";
import type { IntentQueue } from "#src/queue/intent-queue.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import { type OutageHistory, openOutageHistory } from "#src/rotation/outage-history.ts";
import type { RenewalPorts } from "#src/rotation/renewal-ports.ts";
import { RenewalWatch } from "#src/rotation/renewal-watch.ts";
import { RenewalWork } from "#src/rotation/renewal-work.ts";
import { settle } from "./fake-clock.ts";
import { FakeIssuer } from "./fake-issuer.ts";
import { FakeRandom } from "./fake-random.ts";
import { PowerDisk } from "./power-disk.ts";
import { type Process, RotationRig } from "./rotation-rig.ts";

export const DAY_MS = 86_400_000;

export interface RenewalProcess extends Process {
  readonly queue: IntentQueue;
  readonly work: RenewalWork;
  readonly watch: RenewalWatch;
  readonly outages: OutageHistory;
  /** What the queue's worker does with an intent that is due; the error of a failed attempt. */
  attempt(intent?: Intent): Promise<unknown>;
}

export class RenewalRig {
  readonly rotation: RotationRig;
  readonly issuer: FakeIssuer;
  readonly disk = new PowerDisk();
  readonly claims: TimeClaim[] = [];
  settings = { at: 0.66, rekey: true };
  /** Less what nobody vouches for; default the clock's. */
  dueMs: () => number;
  #jumpListeners = new Set<(jump: ClockJump) => void>();
  #seed = 1;

  constructor(rotation: RotationRig) {
    this.rotation = rotation;
    const now = (): number => rotation.clock.now();
    this.dueMs = now;
    this.issuer = new FakeIssuer(rotation.pki.authority, 30 * DAY_MS, now);
  }

  /** With a certificate of 30 days in force, made now. */
  static async make(): Promise<RenewalRig> {
    const rig = new RenewalRig(await RotationRig.make());
    const { rotation } = rig;
    const nowMs = rotation.clock.now();
    const content = await rotation.content("roof-7", { nowMs, notBefore: nowMs, days: 30 });
    const first = await rotation.started();
    await first.rotator.install(content, { origin: "import" });
    await first.rotator[Symbol.asyncDispose]();
    return rig;
  }

  /** A start of the agent on what the flash holds. */
  async process(changes: Partial<RenewalPorts> = {}): Promise<RenewalProcess> {
    const { rotation } = this;
    const { store, keys, clock } = rotation;
    const process = await rotation.started();
    const { source, rotator, log } = process;
    const random = new FakeRandom(this.#seed++);
    const queue = await openIntentQueue({
      ...{ path: "/state/queue/log", disk: this.disk, epoch: store.epoch, device: "roof-7" },
      ...{ clock, random, log },
    });
    const ports: RenewalPorts = {
      ...{ store, source, keys, rotator, queue, clock, random, log },
      issuer: this.issuer,
      settings: () => this.settings,
      time: {
        view: () => rotation.timeView(),
        dueMs: () => this.dueMs(),
        claim: (claim) => this.claims.push(claim),
      },
      ...changes,
    };
    const outages = await openOutageHistory({
      store,
      nowMs: () => this.dueMs(),
      onFault: (error) => log.emit("renewal.unwritten", { reason: String(error) }),
    });
    const work = new RenewalWork(ports, outages);
    const jumps = {
      onJump: (listener: (jump: ClockJump) => void) => {
        this.#jumpListeners.add(listener);
        return () => this.#jumpListeners.delete(listener);
      },
    };
    const watch = new RenewalWatch({ ...ports, jumps, work, outages });
    await watch.start(new AbortController().signal);
    const attempt = async (intent = queue.due(clock.now())[0]): Promise<unknown> => {
      if (intent === undefined) return undefined;
      const { id } = intent;
      const begun = await queue.begin(id, intent.step ?? "begin");
      try {
        const steps = { advance: queue.advance.bind(queue, id) };
        await work.handle(begun, steps, new AbortController().signal);
        await queue.finish(id);
        return undefined;
      } catch (error) {
        if (!isAgentError(error)) throw error;
        const asked = "retryAfterMs" in error ? error.retryAfterMs : undefined;
        await queue.fail(id, error, typeof asked === "number" ? asked : undefined);
        return error;
      }
    };
    return { ...process, queue, work, watch, outages, attempt };
  }

  /** The process of this attempt dies at a durable change of the store; `change` counts them, from 0 on. */
  async diesAt(change: number, { attempt }: Pick<RenewalProcess, "attempt">): Promise<void> {
    const { store } = this.rotation;
    let left = change;
    store.afterWrite = () => (left-- === 0 ? new Promise(() => undefined) : undefined);
    void attempt();
    for (let round = 0; round < 50; round++) await settle();
    store.afterWrite = () => undefined;
  }

  jumped(): void {
    const jump: ClockJump = { kind: "jump", fromMs: 0, toMs: 0, sizeMs: 1 };
    for (const listener of this.#jumpListeners) listener(jump);
  }
}

/**
 * The rotation queue beside the certificate store: opened with it, under its lock, in a directory of
 * its own inside it, where the store's own survey does not look.
 */
import { join } from "node:path";
import { isAgentError } from "../base/errors.ts";
import { type Logger, SILENT } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import { ownedDisk } from "../host/owned-disk.ts";
import { type DiskEntry, errnoOf, type StateDisk } from "../host/state-disk.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { JumpWatch } from "../identity/time/jump-watch.ts";
import { AttemptBudget } from "../queue/attempt-budget.ts";
import type { DurableIntentQueue } from "../queue/durable-intent-queue.ts";
import type { Hold, IntentHandlers } from "../queue/handlers.ts";
import { hasEnded, type Intent } from "../queue/intent.ts";
import type { IntentQueue } from "../queue/intent-queue.ts";
import { memoryQueue, openIntentQueue, type QueueOptions } from "../queue/open-intent-queue.ts";
import { QueueWorker } from "../queue/queue-worker.ts";
import { toldAt } from "../queue/saved-attempts.ts";
import { dropLeft } from "../rotation/install-objects.ts";
import type {
  QueueEntryView,
  QueueListView,
  QueueOperations,
  QueueView,
} from "../sidecar/queue-operations.ts";
import type { StatePorts } from "./agent-ports.ts";
import { countByKind, oldestWaitingMs } from "./queue-figures.ts";

/** In `store.dir`. */
const PLACE = join("queue", "intents");

export interface RotationQueueOptions {
  readonly store: CertificateStore;
  readonly ports: Pick<StatePorts, "clock" | "random" | "disk" | "bootTimeMs">;
  readonly log: Logger;
  /** The name in the device's certificate; `undefined` while it has none. */
  readonly device: string | undefined;
  readonly jumps: Pick<JumpWatch, "onJump">;
}

/** A disk that fails, or a queue of a newer version, is no reason not to serve: the queue says so. */
export async function openRotationQueue(options: RotationQueueOptions): Promise<RotationQueue> {
  const place = await placeOf(options);
  return new RotationQueue(await openOrRemember(place), options);
}

async function openOrRemember(place: QueueOptions): Promise<DurableIntentQueue> {
  try {
    return await openIntentQueue(place);
  } catch (error) {
    // After a fall-back to an older version: its file stays for the newer one.
    if (!isAgentError(error, "ERR_QUEUE_FORMAT")) throw error;
    return memoryQueue(error, place);
  }
}

/** For a command while no agent runs. @throws AgentError `ERR_QUEUE_FORMAT`, `ERR_QUEUE_IO`. */
export async function openIdleQueue(
  store: CertificateStore,
  ports: Pick<StatePorts, "clock" | "random" | "disk">,
): Promise<QueueOperations & AsyncDisposable> {
  const queue = await openIdleIntents(store, ports);
  const nobody: Hold = { by: "no-agent", forMs: undefined };
  const operations = queueOperations(queue, ports.clock, () => nobody);
  return {
    ...operations,
    async drop(id) {
      const entry = await operations.drop(id);
      // Of a running agent whoever works it off sees to that.
      for (const kind of ["install", "trust"] as const) await dropLeft(store, queue, kind);
      return entry;
    },
    [Symbol.asyncDispose]: () => queue[Symbol.asyncDispose](),
  };
}

/** As {@link openIdleQueue}, for a command that works it off. */
export async function openIdleIntents(
  store: CertificateStore,
  ports: Pick<StatePorts, "clock" | "random" | "disk">,
): Promise<DurableIntentQueue> {
  const place = await placeOf({ store, ports, log: SILENT, device: undefined });
  return openIntentQueue({ ...place, opener: "command" });
}

async function placeOf({
  store: { dir, epoch },
  ports: { clock, random, disk },
  log,
  device,
}: {
  readonly store: CertificateStore;
  readonly ports: Pick<StatePorts, "clock" | "random" | "disk">;
  readonly log: Logger;
  readonly device: string | undefined;
}): Promise<QueueOptions> {
  const owner = await ownerOf(disk, dir);
  return {
    path: join(dir, PLACE),
    disk: owner === undefined ? disk : ownedDisk(disk, owner),
    epoch,
    device,
    clock,
    random,
    log,
  };
}

async function ownerOf(disk: StateDisk, dir: string): Promise<DiskEntry | undefined> {
  try {
    return await disk.look(dir);
  } catch (error) {
    // What is wrong with the disk the queue meets by itself, and tells.
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

export class RotationQueue implements AsyncDisposable {
  /** What all outgoing work shares. */
  readonly budget: AttemptBudget;
  readonly operations: QueueOperations;
  readonly #queue: DurableIntentQueue;
  readonly #options: RotationQueueOptions;
  #worker: QueueWorker | undefined;

  /** Use {@link openRotationQueue}. */
  constructor(queue: DurableIntentQueue, options: RotationQueueOptions) {
    const { ports, store } = options;
    const { clock, random } = ports;
    this.#queue = queue;
    this.#options = options;
    this.operations = queueOperations(queue, clock, (intent) => this.#worker?.hold(intent));
    this.budget = new AttemptBudget({
      ...{ clock, random, saved: queue.savedAttempts, sinceBootMs: ports.bootTimeMs() },
      // drawn for each store, so no two devices have the same
      device: store.epoch,
    });
    queue.keepAttempts(() => this.budget.save());
  }

  get queue(): IntentQueue {
    return this.#queue;
  }

  /**
   * Begins to work the queue off; may be called once. What is returned stops it and waits for what runs; a
   * later start resumes that.
   */
  start(handlers: IntentHandlers): AsyncDisposable {
    const { ports, log, jumps } = this.#options;
    const { clock } = ports;
    const parts = { queue: this.#queue, budget: this.budget, handlers, clock, log };
    const work = new AsyncDisposableStack();
    const worker = work.use(new QueueWorker(parts));
    work.defer(jumps.onJump(() => worker.wake()));
    this.#worker = worker;
    worker.start();
    return work;
  }

  /** How long an intent is held back though its own pause may be over, ms. */
  heldMs(intent: Intent): number {
    return this.#worker?.hold(intent)?.forMs ?? 0;
  }

  /** What waits in a pause is tried now, but for renewal. */
  networkIsBack(): void {
    this.#worker?.networkIsBack();
  }

  view(): QueueView {
    const intents = this.#queue.list();
    const count = (state: Intent["state"]): number =>
      intents.filter((intent) => intent.state === state).length;
    const { durable, fault, healed } = this.#queue.health;
    const { bytesWritten, syncs, operations } = this.#queue.wear;
    const done = this.#worker?.counters ?? { attempts: 0, succeeded: 0, failed: 0 };
    return {
      ...{ waiting: count("waiting"), running: count("running"), failed: count("failed") },
      byKind: countByKind(intents),
      oldestWaitingMs: oldestWaitingMs(intents, this.#options.ports.clock.now()),
      ...{ durable, fault: fault ?? null, healed },
      attempts: {
        ...{ begun: done.attempts, succeeded: done.succeeded, failed: done.failed },
        connections: this.budget.spent,
      },
      wear: { bytesWritten, syncs, operations },
    };
  }

  /** Sentences a person should read. */
  warnings(): readonly string[] {
    const { durable, fault, healed } = this.#queue.health;
    const given = this.#queue.list().filter(({ state }) => state === "failed");
    return [
      ...(durable ? [] : [`the rotation queue lives in memory only: ${fault}`]),
      ...healed.map((words) => `the rotation queue was repaired: ${words}`),
      ...given.map(({ id, lastError }) => `${id} failed for good: ${lastError}`),
    ];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#queue[Symbol.asyncDispose]();
  }
}

type HoldOf = (intent: Intent) => Hold | undefined;

function queueOperations(queue: IntentQueue, clock: Clock, holdOf: HoldOf): QueueOperations {
  const view = (intent: Intent): QueueEntryView =>
    entryView(intent, intent.state === "waiting" ? holdOf(intent) : undefined, clock.now());
  return {
    async list(): Promise<QueueListView> {
      const { durable, fault, healed } = queue.health;
      return { entries: queue.list().map(view), durable, fault: fault ?? null, healed };
    },
    retry: async (id) => view(await queue.retry(id)),
    drop: async (id) => view(await queue.drop(id)),
  };
}

function entryView(intent: Intent, hold: Hold | undefined, nowMs: number): QueueEntryView {
  const { id, kind, generation, state, step, object, attempts, lastError, createdAt } = intent;
  return {
    ...{ id, kind, generation, state, attempts, createdAt },
    step: step ?? null,
    object: object ?? null,
    nextAttemptAt: hasEnded(intent) ? null : toldAt(intent.nextAttemptAt, nowMs),
    heldBy: hold?.by ?? null,
    heldUntil: hold?.forMs === undefined ? null : Math.round(nowMs + hold.forMs),
    lastError: lastError ?? null,
  };
}

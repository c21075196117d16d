/** A rotation queue on a disk of a test's choice, and what it holds as one line of text. */
import type { StateDisk } from "#src/host/state-disk.ts";
import type { DurableIntentQueue } from "#src/queue/durable-intent-queue.ts";
import { objectNamed } from "#src/queue/intent.ts";
import type { IntentQueue } from "#src/queue/intent-queue.ts";
import { openIntentQueue, type QueueOptions } from "#src/queue/open-intent-queue.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeRandom } from "./fake-random.ts";
import { RecordingLog } from "./recording-log.ts";

export const QUEUE_PATH = "/state/queue/intents";
export const EPOCH = "0123456789abcdef0123456789abcdef";

export interface OpenedQueue {
  readonly queue: DurableIntentQueue;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
}

export async function openQueue(
  disk: StateDisk,
  options: Partial<QueueOptions> = {},
  seed = 1,
): Promise<OpenedQueue> {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const queue = await openIntentQueue({
    ...{ path: QUEUE_PATH, disk, epoch: EPOCH, device: "device-7", clock, log },
    random: new FakeRandom(seed),
    ...options,
  });
  return { queue, clock: options.clock instanceof FakeClock ? options.clock : clock, log };
}

/** Without times, which are drawn. */
export function contentsOf(queue: IntentQueue): string {
  const entries = queue.list().map(({ id, state, step, attempts, lastError, object }) => {
    const rest = [step, object, lastError].filter((each) => each !== undefined);
    return [id, state, attempts, ...rest].join(" ");
  });
  return entries.toSorted().join("; ");
}

export type QueueStep = (queue: IntentQueue) => Promise<unknown>;

export interface QueueOperation {
  readonly name: string;
  readonly before: QueueStep;
  readonly run: QueueStep;
  readonly why: string;
}

const ERROR = new Error("anything");
const both =
  (...steps: readonly QueueStep[]): QueueStep =>
  async (queue) => {
    for (const step of steps) await step(queue);
  };
const add =
  (kind: "renew" | "report" | "trust", generation: number): QueueStep =>
  (queue) =>
    queue.add({ kind, generation });
const begin: QueueStep = (queue) => queue.begin("renew-7", "request");

/** Every operation of the queue, each with what comes before it. */
export const QUEUE_OPERATIONS: readonly QueueOperation[] = [
  {
    name: "first add",
    before: async () => undefined,
    run: add("renew", 7),
    why: "the first change after a start takes everything over into a new lap",
  },
  {
    name: "add",
    before: add("report", 1),
    run: both(add("report", 2)),
    why: "an intent that was acknowledged is all that remembers a push",
  },
  {
    name: "add a newer generation",
    before: add("renew", 6),
    run: add("renew", 7),
    why: "the old one leaves in the moment in which the new one comes, never before",
  },
  {
    name: "begin",
    before: add("renew", 7),
    run: begin,
    why: "a step that is not written down is taken twice",
  },
  {
    name: "advance",
    before: both(add("renew", 7), begin),
    run: (queue) => queue.advance("renew-7", "install", objectNamed("key", "renewal-7")),
    why: "the key of a request that has left must be found again",
  },
  {
    name: "fail",
    before: both(add("renew", 7), begin),
    run: (queue) => queue.fail("renew-7", ERROR),
    why: "the pause outlives the restart",
  },
  {
    name: "give up",
    before: both(add("renew", 7), begin),
    run: (queue) => queue.giveUp("renew-7", ERROR),
    why: "what can't succeed is not begun again by a restart",
  },
  {
    name: "finish",
    before: both(add("renew", 7), begin),
    run: (queue) => queue.finish("renew-7"),
    why: "what is done is not done again",
  },
  {
    name: "retry",
    before: both(add("renew", 7), begin, (queue) => queue.giveUp("renew-7", ERROR)),
    run: (queue) => queue.retry("renew-7"),
    why: "an operator's word counts",
  },
  {
    name: "drop",
    before: both(add("renew", 7), add("report", 1)),
    run: (queue) => queue.drop("renew-7"),
    why: "what was dropped does not come back",
  },
];

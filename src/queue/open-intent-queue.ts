/**
 * Opens the rotation queue: replays its log, takes out what belongs to another epoch or device, and
 * sees to it that it can be written.
 */
import { type AgentError, errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import type { StateDisk } from "../host/state-disk.ts";
import { DurableIntentQueue } from "./durable-intent-queue.ts";
import { type DurableLog, openDurableLog } from "./durable-log.ts";
import { QUEUE_LIMITS, type QueueLimits } from "./intent-plan.ts";
import {
  applyChange,
  decodeChange,
  decodeSnapshot,
  QUEUE_FORMAT,
  type QueueState,
} from "./queue-state.ts";

export interface QueueOptions {
  /** Of the log; its directory is made when it is missing, the one above must be there. */
  readonly path: string;
  /** The caller holds the lock of the certificate store that the queue belongs to. */
  readonly disk: StateDisk;
  /** Of the certificate store. */
  readonly epoch: string;
  /** As certificates call this device; `undefined` while it has no name. */
  readonly device: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** `agent` (default) makes the file ahead, and goes on from memory when the disk fails; `command` does neither. */
  readonly opener?: "agent" | "command";
  /** Default {@link QUEUE_LIMITS}. */
  readonly limits?: QueueLimits;
  /** Default `LOG_BYTES`. */
  readonly logBytes?: number;
}

/**
 * A disk that can't be written is no reason to stay shut, see {@link DurableIntentQueue.health}.
 *
 * @throws AgentError `ERR_QUEUE_FORMAT` when a newer version wrote the queue: nothing is touched. With
 *   `command` also `ERR_QUEUE_IO` when it can't be read.
 */
export async function openIntentQueue(options: QueueOptions): Promise<DurableIntentQueue> {
  const { path, disk, random, log: events, clock, opener = "agent", logBytes } = options;
  const { limits = QUEUE_LIMITS } = options;
  const isCommand = opener === "command";
  await using undo = new AsyncDisposableStack();
  const bytes = logBytes === undefined ? {} : { bytes: logBytes };
  const log = undo.use(
    await openDurableLog({ path, disk, random, format: QUEUE_FORMAT, ...bytes }),
  );
  const { snapshot, fault } = log.replayed;
  if (isCommand && fault !== undefined && snapshot === undefined) throw fault;
  const healed = [...log.replayed.healed];
  const replayed = replay(log, healed);
  const state = own(replayed, options, healed);
  for (const reason of healed) events.emit("queue.healed", { path, reason });
  const discarded = (replayed?.intents.size ?? 0) - state.intents.size;
  if (discarded > 0) events.emit("queue.discarded", { path, intents: discarded });
  const queue = new DurableIntentQueue({
    ...{ log, state, healed, fault, limits, clock, random, events },
    withoutDisk: isCommand ? "refuse" : "memory",
  });
  const changed = discarded > 0 || healed.length > 0 || snapshot === undefined;
  if (!isCommand && (changed || fault !== undefined)) await queue.setOut();
  events.emit("queue.opened", { path, intents: state.intents.size, durable: queue.health.durable });
  undo.move();
  return queue;
}

/** A queue without a place, for as long as the process lives. */
export function memoryQueue(
  fault: AgentError,
  { epoch, device, clock, random, log: events, limits = QUEUE_LIMITS }: QueueOptions,
): DurableIntentQueue {
  events.emit("queue.failed", { reason: fault.message });
  return new DurableIntentQueue({
    ...{ log: undefined, healed: [], fault, limits, clock, random, events },
    state: { device, epoch, intents: new Map(), attempts: undefined },
    withoutDisk: "memory",
  });
}

/** What was written, as far as it can be understood. */
function replay({ path, replayed }: DurableLog, healed: string[]): QueueState | undefined {
  const { snapshot, records } = replayed;
  if (snapshot === undefined) return undefined;
  let state: QueueState | undefined;
  try {
    state = decodeSnapshot(snapshot);
    for (const record of records) state = applyChange(state, decodeChange(record));
  } catch (error) {
    // Whole by its checksum, so written by a program with a bug: what came before it counts.
    healed.push(
      `${path}: a record makes no sense; it and those after it are left out: ${errorText(error)}`,
    );
  }
  return state;
}

/** What of it belongs to this device and this epoch of its store. */
function own(
  found: QueueState | undefined,
  { epoch, device }: QueueOptions,
  healed: string[],
): QueueState {
  const empty = { device, epoch, intents: new Map(), attempts: found?.attempts };
  if (found === undefined) return empty;
  const moved = device !== undefined && found.device !== undefined && found.device !== device;
  if (found.epoch === epoch && !moved) return { ...found, device: device ?? found.device };
  if (found.intents.size > 0) {
    const why = moved ? "another device" : "an earlier epoch of the store";
    healed.push(`${found.intents.size} intents of ${why} were taken out`);
  }
  return empty;
}

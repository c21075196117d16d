/**
 * What an agent without a certificate store answers about the rotation queue.
 */
import { AgentError } from "../base/errors.ts";
import type { QueueOperations } from "../sidecar/queue-operations.ts";

/** The answers of an agent that has no certificate store. */
export const NO_QUEUE: QueueOperations = {
  list: () => noQueue(),
  retry: () => noQueue(),
  drop: () => noQueue(),
};

async function noQueue(): Promise<never> {
  const words = "there is no certificate store, and so no rotation queue";
  throw new AgentError("ERR_STORE_NONE", words);
}

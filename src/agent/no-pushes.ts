/** The answers about what is brought of an agent that has no certificate store. */
import { AgentError } from "../base/errors.ts";
import type { PushOperations } from "../sidecar/push-operations.ts";

export const NO_PUSHES: PushOperations = {
  installLater: () => noStore(),
  takeTrust: () => noStore(),
};

async function noStore(): Promise<never> {
  const words = "there is no certificate store that anything could be brought to";
  throw new AgentError("ERR_STORE_NONE", words);
}

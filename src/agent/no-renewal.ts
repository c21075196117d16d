/** The answers about renewal of an agent that has no certificate store. */
import { AgentError } from "../base/errors.ts";
import type { RenewalOperations } from "../sidecar/renewal-operations.ts";

export const NO_RENEWAL: RenewalOperations = {
  view: () => noStore(),
  renew: () => noStore(),
};

async function noStore(): Promise<never> {
  const words = "there is no certificate store, and so nothing to renew";
  throw new AgentError("ERR_STORE_NONE", words);
}

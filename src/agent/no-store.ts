/**
 * The answers of an agent that has no certificate store: everything rejects with `ERR_STORE_NONE`.
 */
import { AgentError } from "../base/errors.ts";
import type { CertificateOperations } from "../sidecar/certificate-operations.ts";
import type { PushOperations } from "../sidecar/push-operations.ts";
import type { QueueOperations } from "../sidecar/queue-operations.ts";
import type { RenewalOperations } from "../sidecar/renewal-operations.ts";

/** @param why In words, after "there is no certificate store: ". */
export function noCertificates(why: string): CertificateOperations {
  const none = noStore(`: ${why}`);
  return {
    ...{ show: none, trust: none, install: none, enroll: none, export: none, history: none },
    ...{ replaceTrust: none, keys: none, createKey: none },
  };
}

const noQueue = noStore(", and so no rotation queue");
export const NO_QUEUE: QueueOperations = { list: noQueue, retry: noQueue, drop: noQueue };

const noRenewal = noStore(", and so nothing to renew");
export const NO_RENEWAL: RenewalOperations = { view: noRenewal, renew: noRenewal };

const noPushes = noStore(" that anything could be brought to");
export const NO_PUSHES: PushOperations = { installLater: noPushes, takeTrust: noPushes };

function noStore(words: string): () => Promise<never> {
  return async () => {
    throw new AgentError("ERR_STORE_NONE", `there is no certificate store${words}`);
  };
}

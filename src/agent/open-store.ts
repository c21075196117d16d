/**
 * Opens the certificate store of the configuration.
 */
import type { Logger } from "../base/log.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { StatePorts } from "./agent-ports.ts";
import type { AgentConfig } from "./config.ts";

/** `undefined` without `store.dir`. @throws AgentError `ERR_STORE_*`. */
export async function openStore(
  { store: { dir, wearBudgetKib } }: AgentConfig,
  { disk, lock, clock, random }: StatePorts,
  log: Logger,
): Promise<CertificateStore | undefined> {
  if (dir === undefined) return undefined;
  const { openCertificateStore } = await import("../identity/store/open-store.ts");
  const wearBudgetBytesPerDay = wearBudgetKib * 1024;
  return openCertificateStore({ dir, disk, lock, clock, random, log, wearBudgetBytesPerDay });
}

/**
 * Opens the certificate store of a directory: locks it, judges every file, heals what can be healed,
 * and begins a new store where there is none.
 */
import { AgentError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../host/clock.ts";
import type { DirectoryLock } from "../../host/directory-lock.ts";
import type { Random } from "../../host/random.ts";
import type { StateDisk } from "../../host/state-disk.ts";
import type { CertificateStore } from "./certificate-store.ts";

export interface StoreOptions {
  /** Made when it is missing; its parent must be there. */
  readonly dir: string;
  /** `systemStateDisk`. */
  readonly disk: StateDisk;
  /** `systemDirectoryLock`. */
  readonly lock: DirectoryLock;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** A warning a day is given above this; default 4 MiB. */
  readonly wearBudgetBytesPerDay?: number;
}

/**
 * @throws AgentError `ERR_STORE_LOCKED` naming the holder if known; `ERR_STORE_FORMAT` when a newer
 *   version wrote it; `ERR_STORE_UNSAFE` when it belongs to somebody else; `ERR_STORE_FULL`,
 *   `ERR_STORE_READ_ONLY` or `ERR_STORE_IO` when there is no store yet and none can be begun, or what
 *   is there can't be read.
 */
export async function openCertificateStore(options: StoreOptions): Promise<CertificateStore> {
  throw new AgentError("ERR_STORE_IO", `${options.dir}: not yet`);
}

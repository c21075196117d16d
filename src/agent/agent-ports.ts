/**
 * What the agent takes from the machine and from the command line.
 */
import type { Clock } from "../host/clock.ts";
import type { DirectoryLock } from "../host/directory-lock.ts";
import type { Files } from "../host/files.ts";
import type { LineLog } from "../host/line-log.ts";
import type { Network } from "../host/network.ts";
import type { ProcessFigures } from "../host/process-figures.ts";
import type { Programs } from "../host/programs.ts";
import type { Random } from "../host/random.ts";
import type { StateDisk } from "../host/state-disk.ts";
import type { ServiceNotifier } from "../host/systemd.ts";
import type { TimeSync } from "../host/time-sync.ts";
import type { LoadedConfig } from "./config.ts";

/** What the certificate store takes from the machine. */
export interface StatePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly disk: StateDisk;
  readonly lock: DirectoryLock;
  readonly programs: Programs;
  readonly network: Network;
  /** Effective user. */
  readonly uid: number;
  /** Where systemd put credentials (systemd.exec(5)); `undefined` without any. */
  readonly credentialsDirectory: string | undefined;
  /** Milliseconds since the boot, suspended time included; `undefined` where nobody tells. */
  bootTimeMs(): number | undefined;
  /** What the machine's time services say. */
  timeSync(): Promise<TimeSync>;
}

export interface AgentPorts extends StatePorts {
  readonly figures: ProcessFigures;
  readonly notifier: ServiceNotifier;
  /** Its level follows `log.level` on reload. */
  readonly log: LineLog;
  readonly pid: number;
  /** Of this program. */
  readonly version: string;
  /** Bytes. */
  memory(): { readonly rss: number; readonly heapUsed: number };
  /** Reads the configuration again. @throws AgentError `ERR_CONFIG_*`. */
  readAgain(): Promise<LoadedConfig>;
}

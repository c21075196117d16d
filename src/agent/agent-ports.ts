/**
 * What the agent takes from the machine and from the command line.
 */
import type { Clock } from "../host/clock.ts";
import type { Files } from "../host/files.ts";
import type { LineLog } from "../host/line-log.ts";
import type { Network } from "../host/network.ts";
import type { ProcessFigures } from "../host/process-figures.ts";
import type { Random } from "../host/random.ts";
import type { ServiceNotifier } from "../host/systemd.ts";
import type { LoadedConfig } from "./config.ts";

export interface AgentPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly network: Network;
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

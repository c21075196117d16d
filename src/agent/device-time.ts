/**
 * The device's trusted time, with what it stands on: the clocks of the machine and, if there is a store,
 * the floor that is kept in it.
 */
import { BUILD } from "../base/build.ts";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { JumpWatch } from "../identity/time/jump-watch.ts";
import { parseFleetKey } from "../identity/time/time-statement.ts";
import { openTrustedTime, type TrustedTime } from "../identity/time/trusted-time.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";
import type { ClockView } from "../sidecar/admin-operations.ts";
import type { StatePorts } from "./agent-ports.ts";
import type { AgentConfig } from "./config.ts";

const HOUR_MS = 3_600_000;

export interface DeviceTime extends AsyncDisposable {
  readonly trusted: TrustedTime;
  readonly jumps: JumpWatch;
}

export interface DeviceTimeOptions {
  readonly ports: Pick<StatePorts, "clock" | "random" | "bootTimeMs" | "timeSync">;
  readonly log: Logger;
  /** Without one the floor lives as long as the process. */
  readonly store: CertificateStore | undefined;
  readonly config: AgentConfig["time"];
  /** The name in the device's certificate. */
  readonly device: () => string | undefined;
}

/** Never rejects: what is known of the time may be little. */
export async function openDeviceTime(options: DeviceTimeOptions): Promise<DeviceTime> {
  const { ports, log, store, device, config } = options;
  const { clock, random } = ports;
  const jumps = new JumpWatch({ clock, log, bootTimeMs: () => ports.bootTimeMs() });
  jumps.start();
  const trusted = await openTrustedTime({
    notes: store,
    device,
    fleetKeys: config.fleetKeys.map(parseFleetKey),
    policy: {
      notYetValid: config.notYetValid,
      expiredGraceMs: config.expiredGraceHours * HOUR_MS,
    },
    builtAt: Date.parse(BUILD.date),
    plausibleUntilMs: endOfTrust(store),
    timeSync: () => ports.timeSync(),
    jumps,
    clock,
    random,
    log,
  });
  return {
    trusted,
    jumps,
    async [Symbol.asyncDispose]() {
      jumps[Symbol.dispose]();
      await trusted[Symbol.asyncDispose]();
    },
  };
}

/** As `status` and `doctor` show it. */
export function clockView({ trusted }: DeviceTime, clock: Pick<Clock, "now">): ClockView {
  const { floorSource, timeService } = trusted;
  const view = trusted.view();
  return { ...view, offsetMs: Math.round(view.nowMs - clock.now()), floorSource, timeService };
}

/** When the last authority that we trust ends, Unix ms: no honest floor lies beyond. */
function endOfTrust(store: CertificateStore | undefined): number | undefined {
  const bundlePem = store?.current?.trustBundlePem;
  if (bundlePem === undefined) return undefined;
  return Math.max(...parseTrustBundle(bundlePem).map(({ summary }) => summary.notAfter));
}

/** Revocation of a real agent without the agent: settings by hand, certificates of a test authority. */

import type { SectionValues } from "#src/agent/config-table.ts";
import { Revocation } from "#src/agent/revocation.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemFiles } from "#src/host/files.ts";
import { systemNetwork } from "#src/host/network.ts";
import { systemRandom } from "#src/host/random.ts";
import type { TimeView } from "#src/identity/time/time-view.ts";
import type { TlsMaterial } from "#src/identity/tls-material.ts";
import { AttemptBudget } from "#src/queue/attempt-budget.ts";
import { TlsDialer } from "#src/transport/tls-dialer.ts";
import { HandSource } from "./certificates.ts";
import { RecordingLog } from "./network-rig.ts";

type Settings = SectionValues["revocation"];

export const OFF: Settings = {
  crl: [],
  crlFromCertificates: false,
  crlFail: "soft",
  crlRefreshMs: 3_600_000,
  crlMaxKib: 4_096,
  ocsp: "off",
  ocspResponder: undefined,
  ocspTimeoutMs: 1_000,
  deny: [],
  recovery: [],
  denyRecovery: false,
  cacheDir: undefined,
};

export interface RevocationRig extends AsyncDisposable {
  readonly revocation: Revocation;
  readonly source: HandSource;
  readonly dialer: TlsDialer;
  readonly log: RecordingLog;
  /** Changes settings as a reload does. */
  set(settings: Partial<Settings>): void;
}

/** @param time Of the day; default the clock's. */
export async function revocationRig(
  material: TlsMaterial,
  settings: Partial<Settings> = {},
  time: () => Partial<TimeView> = () => ({}),
): Promise<RevocationRig> {
  const source = new HandSource(material);
  const log = new RecordingLog();
  const shared = { clock: systemClock, network: systemNetwork, log };
  const revocation = new Revocation(
    {
      revocation: { ...OFF, ...settings },
      store: { dir: undefined } as SectionValues["store"],
      tls: { reloadIntervalMs: 50 } as SectionValues["tls"],
    },
    {
      ...shared,
      source,
      files: systemFiles,
      random: systemRandom,
      budget: new AttemptBudget({
        ...{ clock: systemClock, random: systemRandom, device: "rig" },
        sinceBootMs: Number.POSITIVE_INFINITY,
      }),
      time: () => ({
        state: "network",
        nowMs: systemClock.now(),
        floorMs: 0,
        clockWrong: false,
        words: undefined,
        ...time(),
      }),
    },
  );
  await revocation.start();
  const dialer = new TlsDialer({
    ...shared,
    security: {
      kind: "tls",
      source,
      verify: "enforce",
      minVersion: "1.3",
      revocation: revocation.peers,
    },
    connectTimeoutMs: 5_000,
  });
  return {
    revocation,
    source,
    dialer,
    log,
    set: (change) => revocation.replace({ ...OFF, ...settings, ...change }),
    async [Symbol.asyncDispose]() {
      dialer[Symbol.dispose]();
      await revocation[Symbol.asyncDispose]();
    },
  };
}

/**
 * Looks at the device's identity and its trusted time: the running agent tells, else the store itself,
 * else (with `[tls]` files and no agent) only the clock.
 */
import { stat } from "node:fs/promises";
import type { LoadedConfig } from "../../agent/config.ts";
import { AdminClient } from "../../sidecar/admin-client.ts";
import type { ClockView, StatusView } from "../../sidecar/admin-operations.ts";
import type {
  CertificateOperations,
  IdentityView,
  KeyView,
} from "../../sidecar/certificate-operations.ts";
import { type OwnPem, ownPem } from "../certificates/own-bundle.ts";
import { machinePorts } from "../machine-ports.ts";
import type { Terminal } from "../terminal.ts";
import { clockAlone } from "../time/device-clock.ts";
import { attempt, attemptWith, pathFact } from "./attempt.ts";
import { type Fact, isMissing, type Missing, type PathFact, type SealingFact } from "./facts.ts";

export interface IdentityFacts {
  readonly identity: Fact<IdentityView>;
  readonly ownKey: Fact<KeyView>;
  readonly sealing: Fact<SealingFact>;
  readonly storeDirectory: Fact<PathFact>;
  readonly clock: Fact<ClockView>;
  /** Chain and trust bundle of the store. */
  readonly pem: Fact<OwnPem>;
}

const EMPTY: Missing = { missing: "the certificate store is empty", code: "ERR_IDENTITY_NONE" };
const NO_STORE: Missing = { missing: "there is no certificate store", code: "ERR_STORE_NONE" };

/** @param agent What the running agent says of itself. */
export async function gatherIdentity(
  terminal: Terminal,
  loaded: Fact<LoadedConfig>,
  agent: Fact<StatusView>,
): Promise<IdentityFacts> {
  if (isMissing(loaded)) {
    const clock = await attempt(() => clockAlone(terminal, undefined));
    return { ...nothing(loaded), clock };
  }
  const { dir } = loaded.config.store;
  const sealing = await attempt(async () => sealingOf(terminal, loaded, dir));
  const storeDirectory = dir === undefined ? NO_STORE : await attempt(() => pathFact(dir, stat));
  if (!isMissing(agent)) {
    const { controlSocketPath, file } = loaded.config;
    const { certificates } = new AdminClient(controlSocketPath, file);
    const store = agent.identity?.source === "store";
    return {
      identity: agent.identity ?? { missing: "there is no TLS", code: undefined },
      ...(store ? await shown(certificates) : nothing(NO_STORE)),
      clock: agent.time ?? { missing: "the agent does not tell", code: undefined },
      sealing,
      storeDirectory,
    };
  }
  if (dir === undefined) {
    const clock = await attempt(() => clockAlone(terminal, loaded));
    return { ...nothing(NO_STORE), clock };
  }
  const found = await attempt(() => lookIntoStore(terminal, loaded));
  if (!isMissing(found)) return { ...found, sealing, storeDirectory };
  const clock = await attempt(() => clockAlone(terminal, loaded));
  return { ...nothing(found), clock, sealing, storeDirectory };
}

function nothing(why: Missing): Omit<IdentityFacts, "clock"> {
  return { identity: why, ownKey: why, sealing: why, storeDirectory: why, pem: why };
}

async function lookIntoStore(terminal: Terminal, { config }: LoadedConfig) {
  const { openIdleStore } = await import("../../agent/idle-store.ts");
  await using store = await openIdleStore(config, await machinePorts(terminal));
  const certificates = await store.certificates();
  const [identity, clock] = [await store.view(), await store.clock()];
  return { identity, clock, ...(await shown(certificates)) };
}

async function shown(
  certificates: CertificateOperations,
): Promise<Pick<IdentityFacts, "ownKey" | "pem">> {
  const pem = await attempt(async () => (await ownPem(certificates)) ?? EMPTY);
  const ownKey = await attemptWith(pem, async () => (await certificates.show()).key);
  return { pem, ownKey };
}

async function sealingOf(
  terminal: Terminal,
  { config }: LoadedConfig,
  dir: string | undefined,
): Promise<Fact<SealingFact>> {
  if (dir === undefined) return NO_STORE;
  const { sealingKeyOf } = await import("../../agent/sealing.ts");
  const { kind, description } = sealingKeyOf(config, dir, await machinePorts(terminal));
  return { kind, description };
}

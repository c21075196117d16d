/**
 * A device with a real certificate store in a directory of its own, real sealed keys, the real validator
 * and a rotator; on demand a listener with the agent's own endpoints behind it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultPolicy } from "#src/guard/default-policy.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemDirectoryLock } from "#src/host/directory-lock.ts";
import { systemNetwork } from "#src/host/network.ts";
import { systemRandom } from "#src/host/random.ts";
import { systemStateDisk } from "#src/host/state-disk.ts";
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import { openCertificateStore } from "#src/identity/store/open-store.ts";
import type { TimeView } from "#src/identity/time/time-view.ts";
import type { TlsMaterialSource } from "#src/identity/tls-material.ts";
import { validateCandidate } from "#src/identity/validator/validate-candidate.ts";
import type { Issued } from "#src/identity/x509/issue.ts";
import type { IdentityContent } from "#src/rotation/candidate-judge.ts";
import { type ProbePeer, tlsPeerProbe } from "#src/rotation/peer-probe.ts";
import { Rotator } from "#src/rotation/rotator.ts";
import { StoreSource } from "#src/rotation/store-source.ts";
import { interceptorsInOrder } from "#src/rpc/interceptors/order.ts";
import { unlimited } from "#src/rpc/interceptors/rate-limit.ts";
import { EndpointTable } from "#src/rpc/server/endpoint-table.ts";
import { MucpServer } from "#src/rpc/server/mucp-server.ts";
import { connectionErrorReply } from "#src/rpc/server/replies.ts";
import { registerAgentService } from "#src/services/agent-service.ts";
import { memoryHandshakeTrial } from "#src/transport/handshake-trial.ts";
import { Listener } from "#src/transport/listener.ts";
import type { PeerConnection } from "#src/transport/peer-connection.ts";
import { microErrorOf } from "#src/wire/mucp/error.ts";
import { RecordingLog } from "./recording-log.ts";
import { sealedKeys } from "./sealing-key.ts";

const SERVICE = "microedge";

export interface RotatingDevice extends AsyncDisposable {
  readonly rotator: Rotator;
  readonly source: StoreSource;
  readonly store: CertificateStore;
  readonly log: RecordingLog;
  /** Tried from the next probation on. */
  peers: readonly ProbePeer[];
  content(leaf: Issued, trustBundlePem: string): Promise<IdentityContent>;
  /** A listener on loopback that serves the agent's own endpoints; the caller disposes it. */
  listen(): Promise<Listener>;
}

/** The clock of this machine is right in tests. */
function timeView(): TimeView {
  const nowMs = systemClock.now();
  return { state: "network", nowMs, floorMs: 0, clockWrong: false, words: undefined };
}

export async function makeDevice(): Promise<RotatingDevice> {
  const dir = await mkdtemp(join(tmpdir(), "microedge-rotation-"));
  const [clock, random] = [systemClock, systemRandom];
  const log = new RecordingLog("info");
  const lock = systemDirectoryLock(clock);
  const store = await openCertificateStore({
    ...{ dir: join(dir, "store"), disk: systemStateDisk, lock, clock, random, log },
    wearBudgetBytesPerDay: 1024 ** 3,
  });
  const keys = sealedKeys();
  const source = new StoreSource();
  const trial = memoryHandshakeTrial(clock);
  let peers: readonly ProbePeer[] = [];
  const rotator = new Rotator({
    ...{ store, source, keys, trial, clock, random, log, time: timeView },
    validate: (candidate, purpose) => {
      const current = purpose === "install" ? store.current : undefined;
      return validateCandidate(candidate, { time: timeView(), current }, trial);
    },
    revoked: async () => [],
    probe: tlsPeerProbe({
      ...{ network: systemNetwork, clock, minVersion: "1.3" },
      ...{ timeoutMs: 1000, settleMs: 300 },
    }),
    peers: () => peers,
    probation: { spacingMs: 10, retry: { baseMs: 50, capMs: 50 } },
  });
  await rotator.start(new AbortController().signal);
  return {
    ...{ rotator, source, store, log },
    get peers() {
      return peers;
    },
    set peers(named) {
      peers = named;
    },
    content: async ({ certificatePem, keyPem }, trustBundlePem) => ({
      key: await keys.import(keyPem),
      chainPem: certificatePem,
      trustBundlePem,
    }),
    listen: () => startListener(source, undefined, log),
    async [Symbol.asyncDispose]() {
      await rotator[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** A listener on loopback with the agent's own endpoints. @param onPeer For each that is let in. */
export async function startListener(
  source: TlsMaterialSource,
  onPeer: (peer: PeerConnection) => void = () => undefined,
  log: RecordingLog = new RecordingLog(),
): Promise<Listener> {
  const [clock, random] = [systemClock, systemRandom];
  const table = new EndpointTable(SERVICE);
  registerAgentService(table, { name: SERVICE, version: "test", readyAtMs: 0 }, clock);
  const server = new MucpServer({
    ...{ serviceName: SERVICE, table, clock, random, log, limits: {} },
    interceptors: interceptorsInOrder({ clock, log, limiter: unlimited, policy: defaultPolicy }),
  });
  const listener = new Listener({
    listen: { host: "127.0.0.1", port: 0 },
    security: { kind: "tls", source, verify: { kind: "enforce" }, minVersion: "1.3" },
    limits: { maxConnections: 200, maxHandshakes: 32 },
    handshakeTimeoutMs: 10_000,
    handler: (connection) => {
      onPeer(connection);
      server.handle(connection);
    },
    refusalReply: (refusal) => connectionErrorReply(microErrorOf(refusal, SERVICE)),
    ...{ clock, random, log },
  });
  await listener.start(new AbortController().signal);
  return listener;
}

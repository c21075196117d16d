/**
 * What only an agent with a certificate store has: the rotation queue and whoever puts intents into it. Loaded
 * with `import()`, so that an agent whose certificate is in files pays for none of it.
 */
import type { Logger } from "../base/log.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { AttemptBudget } from "../queue/attempt-budget.ts";
import type { Client } from "../rpc/client/client.ts";
import type { AgentConfig } from "./config.ts";
import type { DeviceTime } from "./device-time.ts";
import type { Outgoing } from "./outgoing.ts";
import type { OwnIdentity } from "./own-identity.ts";
import { Pushes } from "./pushes.ts";
import { openRenewal, type Renewal } from "./renewal.ts";
import { openReports, type Reports } from "./report.ts";
import { openRotationQueue, type RotationQueue } from "./rotation-queue.ts";
import { StoreIdentity } from "./store-identity.ts";

export interface StoreRoomsParts {
  readonly config: AgentConfig;
  readonly store: CertificateStore;
  /** `undefined` without TLS. */
  readonly identity: OwnIdentity | undefined;
  readonly time: DeviceTime;
  readonly outgoing: Outgoing;
  /** The name in the device's certificate; `undefined` while it has none. */
  readonly device: string | undefined;
  readonly log: Logger;
}

export interface StoreRooms extends AsyncDisposable {
  readonly queue: RotationQueue;
  /** All that goes out counts on it; it outlives a restart. */
  readonly budget: AttemptBudget;
  /** `undefined` when the identity is not the store's. */
  readonly renewal: Renewal | undefined;
  /** `undefined` when the identity is not the store's. */
  readonly pushes: Pushes | undefined;
  /** `undefined` when nobody is to be told. @throws AgentError `ERR_STORE_IO` */
  openReports(client: Client): Promise<Reports | undefined>;
}

/** @throws AgentError of the part that failed; nothing is left open. */
export async function openStoreRooms(parts: StoreRoomsParts): Promise<StoreRooms> {
  const { config, store, identity, time, outgoing, device, log } = parts;
  const { ports, signs } = outgoing;
  await using open = new AsyncDisposableStack();
  const queue = open.use(await openRotationQueue({ store, ports, log, device, jumps: time.jumps }));
  const budget = outgoing.countOn(queue.budget);
  const rooms = { queue, budget };
  if (!(identity instanceof StoreIdentity)) {
    const kept = open.move();
    return {
      ...{ ...rooms, renewal: undefined, pushes: undefined },
      openReports: async () => undefined,
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }
  open.defer(time.jumps.onJump(() => identity.rotator.clockChanged()));
  const shared = { config, ports, store, identity, time, queue: queue.queue, log };
  const renewal = open.use(
    await openRenewal({ ...shared, signs, heldMs: (intent) => queue.heldMs(intent) }),
  );
  const pushes = open.use(new Pushes({ ...shared, renewal }));
  const kept = open.move();
  return {
    ...{ ...rooms, renewal, pushes },
    openReports: (client) => openReports({ ...shared, renewal, client, clock: ports.clock }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

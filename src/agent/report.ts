/**
 * Reports to the fleet, put together from the configuration.
 */
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { handlerOf, type IntentHandlers } from "../queue/handlers.ts";
import type { IntentQueue } from "../queue/intent-queue.ts";
import { openReportWork } from "../rotation/report-work.ts";
import type { Client } from "../rpc/client/client.ts";
import type { AgentConfig } from "./config.ts";
import type { DeviceTime } from "./device-time.ts";
import { nameOf } from "./open-identity.ts";
import type { Renewal } from "./renewal.ts";
import { RpcReportDelivery } from "./report-rpc.ts";
import type { StoreIdentity } from "./store-identity.ts";

export interface ReportParts {
  readonly config: AgentConfig;
  readonly store: CertificateStore;
  readonly identity: StoreIdentity;
  readonly time: DeviceTime;
  readonly queue: IntentQueue;
  readonly renewal: Renewal;
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Reports extends AsyncDisposable {
  readonly handlers: IntentHandlers;
}

/**
 * Begins to report; `undefined` without `report.service`.
 *
 * @throws AgentError `ERR_STORE_IO` when what has been reported can't be read.
 */
export async function openReports(parts: ReportParts): Promise<Reports | undefined> {
  const { config, store, identity, time, queue, renewal, client, clock, log } = parts;
  const { service, endpoint, timeoutMs } = config.report;
  if (service === undefined) return undefined;
  const work = await openReportWork({
    ...{ store, source: identity.source, rotator: identity.rotator, queue, clock, log },
    delivery: new RpcReportDelivery(client, { service, endpoint, timeoutMs }),
    device: () => nameOf(identity),
    renewal: () => renewal.status(),
    time: time.trusted,
  });
  return {
    handlers: { report: handlerOf(work) },
    [Symbol.asyncDispose]: () => work[Symbol.asyncDispose](),
  };
}

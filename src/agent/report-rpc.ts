/**
 * Reports travel by a call to a go-micro service.
 */
import { AgentError } from "../base/errors.ts";
import type { ReportDelivery, ReportDocument } from "../rotation/report-document.ts";
import type { Client } from "../rpc/client/client.ts";
import { isRemoteError, type RemoteError } from "../rpc/client/remote-error.ts";

export interface RpcReportSettings {
  readonly service: string;
  /** `Handler.Method` */
  readonly endpoint: string;
  /** For the whole call, connecting included. */
  readonly timeoutMs: number;
}

/** Of these the same report may be taken later: the service was slow, or busy. */
const LATER: ReadonlySet<number> = new Set([408, 429]);
/** go-micro's router (router.go, `ServeRequest`): the service runs, and its handler is not registered. */
const NO_HANDLER = /^rpc: can't find (?:service|method) /;

/** One call a report, JSON in and out; what is answered other than an error is not looked at. */
export class RpcReportDelivery implements ReportDelivery {
  readonly #client: Pick<Client, "call">;
  readonly #settings: RpcReportSettings;

  constructor(client: Pick<Client, "call">, settings: RpcReportSettings) {
    this.#client = client;
    this.#settings = settings;
  }

  /** @throws AgentError `ERR_REPORT_REFUSED` for a 4xx other than 408 and 429; else as `Client.call`. */
  async deliver(report: ReportDocument, signal: AbortSignal): Promise<void> {
    const { service, endpoint, timeoutMs } = this.#settings;
    const options = { codec: "json", timeoutMs, idempotent: true, signal } as const;
    try {
      await this.#client.call(service, endpoint, report, options);
    } catch (error) {
      if (isRemoteError(error) && isForGood(error)) throw refusal(service, endpoint, error);
      throw error;
    }
  }
}

function isForGood({ remote: { code, detail } }: RemoteError): boolean {
  if (code < 400 || code > 499 || LATER.has(code)) return false;
  // A service that is being replaced: it may have its handler tomorrow, and nothing is wrong with the report.
  return !(code === 404 && NO_HANDLER.test(detail));
}

function refusal(service: string, endpoint: string, cause: RemoteError): AgentError {
  const words = `${service} ${endpoint} refuses the report: ${cause.message}`;
  const fields = { ...cause.fields, permanent: true };
  return new AgentError("ERR_REPORT_REFUSED", words, { cause, fields });
}

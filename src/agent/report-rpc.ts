/**
 * Reports travel by a call to a go-micro service.
 */
import { AgentError, isAgentError } from "../base/errors.ts";
import type { ReportDelivery, ReportDocument } from "../rotation/report-document.ts";
import type { Client } from "../rpc/client/client.ts";
import { isRemoteError, type RemoteError } from "../rpc/client/remote-error.ts";
import { TRANSPORT_ID } from "../wire/mucp/reply.ts";

export interface RpcReportSettings {
  readonly service: string;
  /** `Handler.Method` */
  readonly endpoint: string;
  /** For the whole call, connecting included. */
  readonly timeoutMs: number;
}

/**
 * Of these the same report may be taken later: they are of the caller, of time and of load. A service that lets
 * nobody in for an hour must not cost every device all that it has to tell.
 */
const LATER: ReadonlySet<number> = new Set([401, 403, 407, 408, 429]);
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

  /** @throws AgentError `ERR_REPORT_REFUSED` for a 4xx that is of the report; else as `Client.call`. */
  async deliver(report: ReportDocument, signal: AbortSignal): Promise<void> {
    const { service, endpoint, timeoutMs } = this.#settings;
    const options = { codec: "json", timeoutMs, idempotent: true, signal } as const;
    try {
      await this.#client.call(service, endpoint, report, options);
    } catch (error) {
      // It took the report, and what it says of that can't be read.
      if (isAgentError(error, "ERR_WIRE_BODY")) return;
      if (!isRemoteError(error) || error.remote.id === TRANSPORT_ID) throw error;
      if (isForGood(error)) throw refusal(service, endpoint, error);
      throw isPerhapsOfThisOne(error) ? suspicion(error) : error;
    }
  }
}

/** A service that fails, and is neither too slow nor too busy: it may be for what this report says. */
function isPerhapsOfThisOne({ remote: { code }, retry }: RemoteError): boolean {
  return code >= 500 && !retry;
}

function suspicion(cause: RemoteError): AgentError {
  const fields = { ...cause.fields, suspect: true };
  const error = new AgentError(cause.code, cause.message, { cause, fields });
  return Object.assign(error, { retryAfterMs: cause.retryAfterMs });
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

/**
 * The called service answered, with an error. `remote` is go-micro's own error, as the service made
 * it: switch on `remote.code` (404, 429, ...) and `remote.id`.
 */
import { AgentError } from "../../base/errors.ts";
import type { MicroError } from "../../wire/mucp/error.ts";

export class RemoteError extends AgentError {
  readonly remote: MicroError;
  /** Address of the node that answered. */
  readonly node: string;
  /** How long the service asked to wait before another try; `undefined` when it did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(remote: MicroError, node: string, retryAfterMs?: number) {
    super("ERR_RPC_REMOTE", remoteMessage(remote), {
      fields: { remote_code: remote.code, remote_id: remote.id, node },
    });
    this.name = "RemoteError";
    this.remote = remote;
    this.node = node;
    this.retryAfterMs = retryAfterMs;
  }

  /** go-micro's code as the service sent it, not the 500 that {@link AgentError} has for the family. */
  override get status(): number {
    return this.remote.code;
  }

  override get retry(): boolean {
    return RETRYABLE_REMOTE_CODES.has(this.remote.code);
  }
}

/** The service was too slow, too busy or not there: the same call may succeed later. */
export const RETRYABLE_REMOTE_CODES: ReadonlySet<number> = new Set([408, 429, 503]);

/** Whether `thrown` is a service's own error, with `code` if one is given. */
export function isRemoteError(thrown: unknown, code?: number): thrown is RemoteError {
  return thrown instanceof RemoteError && (code === undefined || thrown.remote.code === code);
}

function remoteMessage({ code, status, detail, id }: MicroError): string {
  const head = status === "" ? `${code}` : `${code} ${status}`;
  const from = id === "" ? "" : ` (${id})`;
  return detail === "" ? `${head}${from}` : `${head}: ${detail}${from}`;
}

/**
 * How long the service asks to wait: the `Retry-After` header (RFC 9110 section 10.2.3: seconds or a
 * date), or `retry_after_ms` in a detail that is a JSON object.
 *
 * @param now Unix milliseconds.
 * @returns Milliseconds, or `undefined` when it does not say or can't be read.
 */
export function retryAfterMs(
  header: string | undefined,
  detail: string,
  now: number,
): number | undefined {
  if (detail.startsWith("{")) {
    const asked = retryAfterMember(detail);
    if (asked !== undefined) return asked;
  }
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  if (!/^[A-Z][a-z]{2},? /.test(header)) return undefined; // Date.parse takes "-3" for a year
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function retryAfterMember(detail: string): number | undefined {
  let value: unknown;
  try {
    value = JSON.parse(detail);
  } catch {
    return undefined; // a text that only begins like JSON: it asks for nothing
  }
  const asked = (value as { readonly retry_after_ms?: unknown } | null)?.retry_after_ms;
  return typeof asked === "number" && asked >= 0 && Number.isFinite(asked) ? asked : undefined;
}

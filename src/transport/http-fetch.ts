/**
 * Fetches one small thing over HTTP or HTTPS, directly or through the proxy, distrusting the server: no
 * redirects, a limit on size and on the whole duration, nothing kept open. What comes is signed (CRLs, OCSP
 * answers, trust updates), so plain HTTP is fine.
 */
import type { IncomingMessage } from "node:http";
import { isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { errorText, isAgentError } from "../base/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Network } from "../host/network.ts";
import { refuse } from "../identity/revocation/refusal.ts";
import { askOnce, targetOf } from "./http-question.ts";
import { NameLookup } from "./name-lookup.ts";
import type { ProxySettings } from "./proxy-settings.ts";
import { reach } from "./reach.ts";
import { retryAfterOf } from "./retry-after.ts";
import { waitFor } from "./socket-events.ts";

export interface FetchRequest {
  readonly url: string;
  /** Sent by POST; without it the request is a GET. */
  readonly post?: { readonly contentType: string; readonly body: Uint8Array };
  /** Of the copy that is there already. */
  readonly known?: FetchMark | undefined;
  /** Larger bodies are refused as soon as that is known. */
  readonly maxBytes: number;
  /** For everything from the name to the last byte. */
  readonly timeoutMs: number;
}

/** By what a server knows its own copy again (RFC 9110 section 8.8). */
export interface FetchMark {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

export type FetchReply =
  | { readonly kind: "unchanged" }
  | { readonly kind: "body"; readonly bytes: Uint8Array; readonly mark: FetchMark };

/** Properties of the error when a server answered, but not with what was asked for. */
export interface FetchFailure {
  readonly answered?: boolean;
  /** What it asked for (RFC 9110 section 10.2.3), milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

export interface HttpFetchParts {
  readonly network: Network;
  readonly clock: Clock;
  /** As for calls (`client.proxy`). */
  readonly proxy?: ProxySettings | undefined;
  /** Trust bundle for HTTPS, PEM. */
  trustBundlePem(): string;
}

export class HttpFetch {
  readonly #parts: HttpFetchParts;

  constructor(parts: HttpFetchParts) {
    this.#parts = parts;
  }

  /**
   * @throws AgentError `ERR_REVOCATION_SOURCE`, cause `fetch`, `too-large` or `malformed`, with
   *   {@link FetchFailure} when the server has answered; the signal's reason.
   */
  async fetch(request: FetchRequest, signal: AbortSignal): Promise<FetchReply> {
    signal.throwIfAborted();
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = this.#parts.clock.setTimer(request.timeoutMs, () =>
      stop.abort(refuse("fetch", `no whole answer within ${request.timeoutMs} ms`)),
    );
    try {
      const url = new URL(request.url);
      const socket = await this.#connect(url, request.timeoutMs, stop.signal);
      try {
        return await this.#exchange(socket, url, request, stop.signal);
      } finally {
        socket.destroy();
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (stop.signal.aborted) throw stop.signal.reason;
      if (isAgentError(error, "ERR_REVOCATION_SOURCE")) throw error;
      throw refuse("fetch", errorText(error), error);
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #connect(url: URL, timeoutMs: number, signal: AbortSignal): Promise<Socket> {
    const { network, clock, proxy } = this.#parts;
    const target = targetOf(url);
    const lookup = new NameLookup({ network, clock, timeoutMs });
    const onStep = (): void => undefined;
    const raw = await reach(target, { network, clock, lookup, proxy, onStep }, signal);
    if (url.protocol !== "https:") return raw;
    const { host } = target;
    const ca = this.#parts.trustBundlePem();
    const servername = isIP(host) === 0 ? host : "";
    const socket = connectTls({ socket: raw, ca, host, servername });
    try {
      await waitFor(socket, "secureConnect", signal);
    } catch (error) {
      raw.destroy();
      throw error;
    }
    return socket;
  }

  #exchange(
    socket: Socket,
    url: URL,
    { post, known, maxBytes }: FetchRequest,
    signal: AbortSignal,
  ): Promise<FetchReply> {
    const headers = {
      ...(known?.etag === undefined ? {} : { "If-None-Match": known.etag }),
      ...(known?.lastModified === undefined ? {} : { "If-Modified-Since": known.lastModified }),
    };
    const nowMs = this.#parts.clock.now();
    return askOnce(
      socket,
      { url, post, headers },
      (response) => readBody(response, { conditional: known !== undefined, maxBytes, nowMs }),
      signal,
    );
  }
}

async function readBody(
  response: IncomingMessage,
  {
    conditional,
    maxBytes,
    nowMs,
  }: { readonly conditional: boolean; readonly maxBytes: number; readonly nowMs: number },
): Promise<FetchReply> {
  const { statusCode = 0, headers } = response;
  if (statusCode === 304 && conditional) return { kind: "unchanged" };
  if (statusCode >= 300 && statusCode < 400) {
    throw refuse("fetch", `the server redirects (HTTP ${statusCode}), which is not followed`);
  }
  if (statusCode !== 200) {
    const traits: FetchFailure = { answered: true, retryAfterMs: retryAfterOf(headers, nowMs) };
    throw Object.assign(refuse("fetch", `the server answers HTTP ${statusCode}`), traits);
  }
  if (/^text\/html/i.test(headers["content-type"] ?? "")) {
    throw refuse("fetch", "the server answers with a web page (text/html)");
  }
  const tooLarge = () => refuse("too-large", `it is larger than ${maxBytes} bytes`);
  if (Number(headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response) {
    const bytes = chunk as Uint8Array;
    length += bytes.length;
    if (length > maxBytes) throw tooLarge();
    chunks.push(bytes);
  }
  if (!response.complete) throw refuse("fetch", "the answer was cut off");
  const mark = { etag: headers.etag, lastModified: headers["last-modified"] };
  return { kind: "body", bytes: Buffer.concat(chunks, length), mark };
}

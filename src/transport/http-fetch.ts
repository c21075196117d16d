/**
 * Fetches one small thing over HTTP or HTTPS, distrusting the server: no redirects, a limit on size and on
 * the whole duration, nothing kept open. What comes is signed (CRLs, OCSP answers), so plain HTTP is fine.
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { errorText, isAgentError } from "../base/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Network } from "../host/network.ts";
import { refuse } from "../identity/revocation/refusal.ts";
import { raceAddresses } from "./happy-eyeballs.ts";
import { NameLookup } from "./name-lookup.ts";
import { errorCode } from "./node-error.ts";
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

export interface HttpFetchParts {
  readonly network: Network;
  readonly clock: Clock;
  /** Trust bundle for HTTPS, PEM. */
  trustBundlePem(): string;
}

export class HttpFetch {
  readonly #parts: HttpFetchParts;

  constructor(parts: HttpFetchParts) {
    this.#parts = parts;
  }

  /** @throws AgentError `ERR_REVOCATION_SOURCE`, cause `fetch`, `too-large` or `malformed`; the signal's reason. */
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
        return await exchange(socket, url, request, stop.signal);
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
    const { network, clock } = this.#parts;
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
    const addresses = await new NameLookup({ network, clock, timeoutMs }).resolve(host, signal);
    const open = async (
      address: (typeof addresses)[number],
      abort: AbortSignal,
    ): Promise<Socket> => {
      const socket = network.connect(address, port);
      await waitFor(socket, "connect", abort);
      return socket;
    };
    let raw: Socket;
    try {
      raw = await raceAddresses({
        addresses,
        open,
        discard: (socket) => void socket.destroy(),
        clock,
        signal,
      });
    } catch (error) {
      const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
      throw refuse(
        "fetch",
        `can't connect to ${url.host}: ${errorCode(first) || errorText(first)}`,
        error,
      );
    }
    if (url.protocol !== "https:") return raw;
    const ca = this.#parts.trustBundlePem();
    const socket = connectTls({
      socket: raw,
      ca,
      host,
      servername: /[a-z]/i.test(host) ? host : "",
    });
    try {
      await waitFor(socket, "secureConnect", signal);
    } catch (error) {
      raw.destroy();
      throw error;
    }
    return socket;
  }
}

function exchange(
  socket: Socket,
  url: URL,
  { post, known, maxBytes }: FetchRequest,
  signal: AbortSignal,
): Promise<FetchReply> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => socket,
      signal,
      method: post === undefined ? "GET" : "POST",
      path: `${url.pathname}${url.search}`,
      headers: {
        Host: url.host,
        Connection: "close",
        "User-Agent": "microedge",
        ...(known?.etag === undefined ? {} : { "If-None-Match": known.etag }),
        ...(known?.lastModified === undefined ? {} : { "If-Modified-Since": known.lastModified }),
        ...(post === undefined
          ? {}
          : { "Content-Type": post.contentType, "Content-Length": String(post.body.length) }),
      },
      maxHeaderSize: 16_384,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      response.on("error", reject);
      readBody(response, known !== undefined, maxBytes).then(resolve, reject);
    });
    request.end(post?.body);
  });
}

async function readBody(
  response: IncomingMessage,
  conditional: boolean,
  maxBytes: number,
): Promise<FetchReply> {
  const { statusCode = 0, headers } = response;
  if (statusCode === 304 && conditional) return { kind: "unchanged" };
  if (statusCode >= 300 && statusCode < 400) {
    throw refuse("fetch", `the server redirects (HTTP ${statusCode}), which is not followed`);
  }
  if (statusCode !== 200) throw refuse("fetch", `the server answers HTTP ${statusCode}`);
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

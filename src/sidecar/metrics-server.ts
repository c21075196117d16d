/**
 * `GET /metrics` over plain HTTP, for a scraper on this machine. It answers that and nothing else, one
 * request a connection, within small bounds: it must never cost the agent's peers anything.
 *
 * Loaded only when `metrics.listen` asks for it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { AgentError, errorText, isAgentError } from "../base/errors.ts";
import type { Part } from "../base/lifecycle.ts";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import { formatAddress } from "../registry/address.ts";
import { listenAt, type TakenSocket } from "./control-socket.ts";
import { METRICS_CONTENT_TYPE } from "./metrics-text.ts";

export type MetricsPlace =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

export interface MetricsServerOptions {
  /** Loopback, or a Unix socket; the configuration sees to that. */
  readonly place: MetricsPlace;
  /** The figures at this moment, in the Prometheus text format. */
  text(): string;
  readonly log: Logger;
  readonly clock: Pick<Clock, "monotonicMs">;
}

/** Two scrapers and a person, and as many that hang. */
const MAX_CONNECTIONS = 8;
const MAX_HEADER_BYTES = 4_096;
/** For the whole request, and for a peer that does not read: on this machine it takes milliseconds. */
const REQUEST_TIMEOUT_MS = 5_000;
/** How often Node.js looks for requests that are late. */
const LOOK_MS = 1_000;
/** Whoever asks more often gets the same text again: figures cost more than an answer. */
const FRESH_MS = 1_000;
/** The owner and the group of the directory. */
const SOCKET_MODE = 0o660;

export class MetricsServer implements Part {
  readonly name = "metrics";
  readonly #options: MetricsServerOptions;
  readonly #server: Server;
  #last: { readonly at: number; readonly text: string } | undefined;
  #taken: TakenSocket | undefined;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
    this.#server = createServer(
      { maxHeaderSize: MAX_HEADER_BYTES, connectionsCheckingInterval: LOOK_MS },
      (request, response) => this.#answer(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.maxRequestsPerSocket = 1;
    this.#server.headersTimeout = REQUEST_TIMEOUT_MS;
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#server.timeout = REQUEST_TIMEOUT_MS;
  }

  /** `host:port` or the path, as bound. */
  get address(): string | undefined {
    const bound = this.#server.address();
    if (bound === null) return undefined;
    if (typeof bound === "string") return placeText(this.#options.place);
    return formatAddress({ host: bound.address, port: bound.port });
  }

  /** @throws AgentError `ERR_METRICS_LISTEN`: taken by another program, or not to be had. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { place, log } = this.#options;
    try {
      if (place.kind === "unix") {
        this.#taken = await listenAt(this.#server, place.path, {
          mode: SOCKET_MODE,
          key: "metrics.listen",
        });
      } else await bind(this.#server, place);
    } catch (cause) {
      const words = `figures can't be served at ${placeText(place)}: ${reasonOf(cause)}`;
      const fix = isAgentError(cause) ? cause.fields["fix"] : undefined;
      throw new AgentError("ERR_METRICS_LISTEN", words, {
        cause,
        ...(typeof fix === "string" ? { fields: { fix } } : {}),
      });
    }
    log.emit("metrics.listening", { address: this.address });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.#taken?.release().catch((cause: unknown) => {
      this.#options.log.emit("metrics.failed", { reason: errorText(cause) });
    });
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    // A scraper that hangs up is nobody's fault.
    response.on("error", () => undefined);
    const [path] = (request.url ?? "").split("?", 1);
    if (path !== "/metrics") {
      say(response, 404, "there is only /metrics here\n");
      return;
    }
    if (request.method !== "GET") {
      response.setHeader("allow", "GET");
      say(response, 405, "only GET\n");
      return;
    }
    try {
      say(response, 200, this.#text(), METRICS_CONTENT_TYPE);
    } catch (thrown) {
      this.#options.log.emit("metrics.failed", { reason: errorText(thrown) });
      say(response, 500, "the figures could not be read; the agent's log says why\n");
    }
  }

  #text(): string {
    const at = this.#options.clock.monotonicMs();
    if (this.#last === undefined || at - this.#last.at >= FRESH_MS) {
      this.#last = { at, text: this.#options.text() };
    }
    return this.#last.text;
  }
}

/** As the configuration has it. */
export function placeText(place: MetricsPlace): string {
  if (place.kind === "unix") return `unix:${place.path}`;
  return formatAddress(place);
}

function bind(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  return code === "EADDRINUSE" ? "another program listens there" : errorText(cause);
}

function say(
  response: ServerResponse,
  status: number,
  text: string,
  type = "text/plain; charset=utf-8",
): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    connection: "close",
    "x-content-type-options": "nosniff",
  });
  response.end(text);
}

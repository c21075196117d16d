/**
 * The control socket: HTTP/1.1 with JSON on a Unix socket that only the agent's own user (and root)
 * can open. The command line is its client; `curl --unix-socket` works as well.
 *
 * | request | answer |
 * |---|---|
 * | `GET /v1/status`, `/v1/limits`, `/v1/services`, `/v1/config` | the views of `admin-operations.ts` |
 * | `POST /v1/reload` | what changed |
 * | `POST /v1/call` | `{service, endpoint, codec?, metadata?, timeoutMs?, address?, serverName?, body?}` -> `{body, metadata, durationMs, node}` |
 * | `POST /v1/probe` | `{address, serverName?, timeoutMs, ownOnly?}` -> what `microedge tls probe` prints |
 * | `/v1/certificate`, `/v1/trust`, `/v1/keys` and below | see `certificate-api.ts` |
 * | `/v1/queue` and below | see `queue-api.ts` |
 * | `/v1/renewal` | see `renewal-operations.ts` |
 * | `/v1/certificate/later`, `/v1/trust/update` | see `push-operations.ts` |
 * | `/v1/time` and below | see `time-api.ts` |
 * | `POST /v1/stream` | JSON Lines both ways: the call first, then messages; answered by messages, then `{"end":true}` or an error |
 *
 * A request may name the configuration that it is for, see `config-header.ts`.
 *
 * An error is `{"error": {code, message, hint, remote?}}` with the status of its code.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { AgentError, errorText, isAgentError, stackText } from "../base/errors.ts";
import type { Part } from "../base/lifecycle.ts";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import { correlationId, type Random } from "../host/random.ts";
import {
  formatBody,
  formatError,
  formatReply,
  parseBody,
  parseCall,
  parseProbe,
  parseRequest,
} from "./admin-json.ts";
import type { AdminOperations, MessageBytes } from "./admin-operations.ts";
import { certificateRoutes } from "./certificate-api.ts";
import { assertMeant } from "./config-header.ts";
import { listenAt, type TakenSocket } from "./control-socket.ts";
import { readLines } from "./line-reader.ts";
import { pushRoutes } from "./push-operations.ts";
import { queueRoutes } from "./queue-api.ts";
import { renewalRoutes } from "./renewal-operations.ts";
import { timeRoutes } from "./time-api.ts";

export interface AdminApiOptions {
  /** Absolute path of the socket. */
  readonly path: string;
  readonly operations: AdminOperations;
  readonly log: Logger;
  readonly random: Random;
  readonly clock: Clock;
  /** Largest request body, or line of a stream, in bytes; default {@link MAX_REQUEST_BYTES}. */
  readonly maxRequestBytes?: number;
}

/** A body of 4 MiB in base64, and room for the call around it. */
export const MAX_REQUEST_BYTES = 6 * 1024 * 1024;
/** The command line opens one; a few at once is a script. */
const MAX_CONNECTIONS = 16;
const HEADERS_TIMEOUT_MS = 5_000;
/** How often Node.js looks for headers that are late. */
const HEADERS_LOOK_MS = 1_000;
/** For the whole body, or the first line of a stream: on this machine it takes milliseconds. */
const BODY_TIMEOUT_MS = 10_000;
const BAD_GATEWAY = 502;

type Route = (request: IncomingMessage, signal: AbortSignal) => Promise<unknown>;

export class AdminApi implements Part {
  readonly name = "control socket";
  readonly #options: AdminApiOptions;
  readonly #server: Server;
  readonly #routes: Map<string, Route>;
  readonly #maxBytes: number;
  /** Requests being worked on; disposal waits for them. */
  readonly #open = new Set<Promise<void>>();
  /** Ends streams, which have no end of their own, when the agent stops. */
  readonly #stopping = new AbortController();
  #taken: TakenSocket | undefined;

  constructor(options: AdminApiOptions) {
    this.#options = options;
    this.#maxBytes = options.maxRequestBytes ?? MAX_REQUEST_BYTES;
    const { operations } = options;
    this.#routes = new Map<string, Route>([
      ["GET /v1/status", async () => operations.status()],
      ["GET /v1/limits", async () => operations.limits()],
      ["GET /v1/services", async (_, signal) => ({ services: await operations.services(signal) })],
      ["GET /v1/config", async () => operations.config()],
      ["POST /v1/reload", () => operations.reload()],
      ["POST /v1/call", (request, signal) => this.#call(request, signal)],
      [
        "POST /v1/probe",
        async (request, signal) =>
          operations.probe(parseProbe(await this.#members(request)), signal),
      ],
    ]);
    const routes = [
      ...certificateRoutes(operations.certificates),
      ...timeRoutes(operations.time),
      ...queueRoutes(operations.queue),
      ...renewalRoutes(operations.renewal),
      ...pushRoutes(operations.pushes),
    ];
    for (const [name, answer] of routes) {
      this.#routes.set(name, async (request) => answer(await this.#members(request)));
    }
    this.#server = createServer(
      { connectionsCheckingInterval: HEADERS_LOOK_MS },
      (request, response) => this.#accept(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.headersTimeout = HEADERS_TIMEOUT_MS;
    // A call takes as long as its own deadline allows; a stream has none.
    this.#server.requestTimeout = 0;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#taken = await listenAt(this.#server, this.#options.path);
    this.#options.log.emit("control.listening", { path: this.#options.path });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new AgentError("ERR_RPC_DRAINING", "the agent is stopping"));
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.#taken?.release().catch((cause: unknown) => {
      this.#options.log.emit("control.request.failed", { reason: errorText(cause) });
    });
    while (this.#open.size > 0) await Promise.all(this.#open);
    this.#server.closeAllConnections();
    await closed;
  }

  #accept(request: IncomingMessage, response: ServerResponse): void {
    const work = this.#serve(request, response).finally(() => this.#open.delete(work));
    this.#open.add(work);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => {
      gone.abort(new AgentError("ERR_RPC_CANCELLED", "the command went away"));
    });
    response.on("error", () => gone.abort());
    const path = request.url ?? "";
    try {
      await assertMeant(request.headers, this.#options.operations.config().path);
      if (request.method === "POST" && path === "/v1/stream") {
        await this.#stream(
          request,
          response,
          AbortSignal.any([gone.signal, this.#stopping.signal]),
        );
        return;
      }
      const route = this.#routes.get(`${request.method} ${path}`);
      if (route === undefined) throw notFound(request, this.#routes);
      send(response, 200, await route(request, gone.signal));
    } catch (thrown) {
      const error = this.#presentable(thrown, path);
      // What has not come in time is not waited for after the answer either.
      if (error.code === "ERR_WIRE_TIMEOUT") response.once("finish", () => request.destroy());
      if (response.headersSent) response.end(`${JSON.stringify(formatError(error))}\n`);
      else send(response, httpStatusOf(error), formatError(error));
    }
    // The rest of a refused body is read and dropped: closing on it would lose the answer.
    if (!request.complete) request.resume();
  }

  /** A request without a body has no members. */
  async #members(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
    const body = await this.#inTime(readBody(request, this.#maxBytes));
    return body === "" ? {} : parseRequest(body);
  }

  async #call(request: IncomingMessage, signal: AbortSignal): Promise<unknown> {
    const members = await this.#members(request);
    const call = parseCall(members);
    const reply = await this.#options.operations.call(call, parseBody(members), signal);
    return formatReply(reply, call.codec);
  }

  async #stream(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const lines = readLines(chunksOf(request), this.#maxBytes);
    const first = await this.#inTime(lines.next());
    if (first.done === true) {
      throw new AgentError("ERR_CONTROL_REQUEST", "the first line of a stream must be its call");
    }
    const call = parseCall(parseRequest(first.value));
    const replies = this.#options.operations.stream(call, bodiesOf(lines), signal);
    response.writeHead(200, { "content-type": "application/jsonl" });
    for await (const body of replies) {
      const room = response.write(`${JSON.stringify(formatBody(body, call.codec))}\n`);
      if (!room) await drained(response, signal);
    }
    response.end('{"end":true}\n');
  }

  /** A command that stops half-way must not keep its place from others. */
  async #inTime<T>(reading: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = this.#options.clock.setTimer(BODY_TIMEOUT_MS, () => {
      const words = `the request did not end within ${BODY_TIMEOUT_MS} ms`;
      late.reject(new AgentError("ERR_WIRE_TIMEOUT", words));
    });
    try {
      return await Promise.race([reading, late.promise]);
    } finally {
      timer.cancel();
    }
  }

  /** A bug is logged with its stack, and answered with an id to look it up by. */
  #presentable(thrown: unknown, path: string): AgentError {
    if (isAgentError(thrown)) return thrown;
    if (isReset(thrown)) return new AgentError("ERR_RPC_CANCELLED", "the command went away");
    const id = correlationId(this.#options.random);
    this.#options.log.emit("control.request.failed", {
      path,
      correlation_id: id,
      stack: stackText(thrown),
    });
    return new AgentError("ERR_INTERNAL", `the agent failed with a bug (correlation id ${id})`);
  }
}

async function* bodiesOf(lines: AsyncIterable<string>): AsyncGenerator<MessageBytes> {
  for await (const line of lines) yield parseBody(parseRequest(line));
}

/** Stopping half-way leaves the request open, so that it can still be answered. */
function chunksOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(request)) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new AgentError("ERR_WIRE_TOO_LARGE", `the request is longer than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

/** Resolves when the peer has read on; rejects when it is gone. */
function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    response.once("drain", () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
  });
}

/** What reading a request throws when its sender hangs up: nobody's bug. */
function isReset(thrown: unknown): boolean {
  return thrown instanceof Error && (thrown as NodeJS.ErrnoException).code === "ECONNRESET";
}

/** A remote's code is any number that it chose; only the table's own are HTTP statuses. */
function httpStatusOf(error: AgentError): number {
  return error.code === "ERR_RPC_REMOTE" ? BAD_GATEWAY : error.status;
}

function notFound(request: IncomingMessage, routes: ReadonlyMap<string, Route>): AgentError {
  const known = [...routes.keys(), "POST /v1/stream"].join(", ");
  return new AgentError(
    "ERR_CONTROL_REQUEST",
    `the control socket has no ${request.method} ${request.url}; it has ${known}`,
  );
}

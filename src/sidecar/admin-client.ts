/**
 * The control socket from the other end: how the command line asks a running agent.
 */
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from "node:http";
import { AgentError, errorText } from "../base/errors.ts";
import type { LimitsView } from "../guard/limits-view.ts";
import type { ProbeResult } from "../transport/probe-result.ts";
import {
  formatBody,
  formatCall,
  formatProbe,
  parseBody,
  parseError,
  parseObject,
  parseReply,
} from "./admin-json.ts";
import type {
  AdminCall,
  AdminOperations,
  AdminReply,
  ConfigValueView,
  MessageBytes,
  ProbeRequest,
  ReloadView,
  ServiceView,
  StatusView,
} from "./admin-operations.ts";
import { CertificateClient } from "./certificate-api.ts";
import type { CertificateOperations } from "./certificate-operations.ts";
import { CONFIG_HEADER } from "./config-header.ts";
import { readLines } from "./line-reader.ts";
import { PushClient, type PushOperations } from "./push-operations.ts";
import { QueueClient } from "./queue-api.ts";
import type { QueueOperations } from "./queue-operations.ts";
import { RenewalClient, type RenewalOperations } from "./renewal-operations.ts";
import { TimeClient, type TimeOperations } from "./time-api.ts";

/** Largest answer, or line of a stream, taken from the agent, in bytes. */
const MAX_ANSWER_BYTES = 96 * 1024 * 1024;

/** {@link AdminOperations} of an agent in another process; what was immediate there is awaited here. */
export class AdminClient {
  readonly #path: string;
  readonly #headers: OutgoingHttpHeaders;

  /**
   * @param path Of the socket, absolute.
   * @param configFile Absolute path of the configuration that the agent must be using: several agents
   *   of one machine may have the same socket by default, one at a time, and a question meant for one
   *   must not be answered by another. `undefined` asks whoever listens.
   */
  constructor(path: string, configFile?: string) {
    this.#path = path;
    this.#headers = {
      // The agent must not close when it has answered: a stream may end from its side while we still
      // write, and a broken pipe would lose the answer that already lies in the socket.
      connection: "keep-alive",
      ...(configFile === undefined ? {} : { [CONFIG_HEADER]: encodeURIComponent(configFile) }),
    };
  }

  get certificates(): CertificateOperations {
    return new CertificateClient((method, path, body) =>
      this.#ask(method, path, body === undefined ? undefined : JSON.stringify(body)),
    );
  }

  get queue(): QueueOperations {
    return new QueueClient((method, path, body) =>
      this.#ask(method, path, body === undefined ? undefined : JSON.stringify(body)),
    );
  }

  get renewal(): RenewalOperations {
    return new RenewalClient((method, path, body) =>
      this.#ask(method, path, body === undefined ? undefined : JSON.stringify(body)),
    );
  }

  get pushes(): PushOperations {
    return new PushClient((method, path, body) =>
      this.#ask(method, path, body === undefined ? undefined : JSON.stringify(body)),
    );
  }

  get time(): TimeOperations {
    return new TimeClient((path, body) => this.#ask("POST", path, JSON.stringify(body)));
  }

  async status(signal?: AbortSignal): Promise<StatusView> {
    return (await this.#ask("GET", "/v1/status", undefined, signal)) as unknown as StatusView;
  }

  async limits(): Promise<LimitsView> {
    return (await this.#ask("GET", "/v1/limits", undefined)) as unknown as LimitsView;
  }

  async services(signal?: AbortSignal): Promise<readonly ServiceView[]> {
    const { services } = await this.#ask("GET", "/v1/services", undefined, signal);
    return services as readonly ServiceView[];
  }

  async config(): Promise<{ readonly path: string; readonly values: readonly ConfigValueView[] }> {
    const view = await this.#ask("GET", "/v1/config", undefined);
    return view as unknown as ReturnType<AdminOperations["config"]>;
  }

  async reload(): Promise<ReloadView> {
    return (await this.#ask("POST", "/v1/reload", "{}")) as unknown as ReloadView;
  }

  async probe(request: ProbeRequest, signal?: AbortSignal): Promise<ProbeResult> {
    const body = JSON.stringify(formatProbe(request));
    return (await this.#ask("POST", "/v1/probe", body, signal)) as unknown as ProbeResult;
  }

  async call(call: AdminCall, body: MessageBytes, signal?: AbortSignal): Promise<AdminReply> {
    const request = JSON.stringify({ ...formatCall(call), ...formatBody(body, call.codec) });
    return parseReply(await this.#ask("POST", "/v1/call", request, signal));
  }

  async *stream(
    call: AdminCall,
    bodies: AsyncIterable<MessageBytes>,
    signal: AbortSignal,
  ): AsyncGenerator<MessageBytes> {
    const { request, response } = this.#open("POST", "/v1/stream", signal);
    request.write(`${JSON.stringify(formatCall(call))}\n`);
    let broken: { readonly thrown: unknown } | undefined;
    // What our own side could not send ends the stream; the agent would wait for it for ever.
    send(request, bodies, call).catch((thrown: unknown) => {
      broken = { thrown };
      request.destroy();
    });
    try {
      for await (const line of readLines(await response, MAX_ANSWER_BYTES)) {
        const members = parseObject(line);
        if (members["error"] !== undefined) throw parseError(members);
        if (members["end"] === true) return;
        yield parseBody(members);
      }
      throw lost(undefined, signal);
    } catch (thrown) {
      if (broken !== undefined) throw (broken as { readonly thrown: unknown }).thrown;
      throw lost(thrown, signal);
    } finally {
      request.destroy();
    }
  }

  async #ask(
    method: string,
    path: string,
    body: string | undefined,
    signal?: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { request, response } = this.#open(method, path, signal);
    request.end(body);
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of (await response) as AsyncIterable<Uint8Array>) chunks.push(chunk);
    } catch (thrown) {
      throw lost(thrown, signal);
    }
    const members = parseObject(Buffer.concat(chunks).toString("utf8"));
    if (members["error"] !== undefined) throw parseError(members);
    return members;
  }

  #open(
    method: string,
    path: string,
    signal: AbortSignal | undefined,
  ): { request: ClientRequest; response: Promise<IncomingMessage> } {
    const request = httpRequest({
      socketPath: this.#path,
      method,
      path,
      agent: false,
      headers: this.#headers,
      ...(signal === undefined ? {} : { signal }),
    });
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.on("error", (cause) => reject(this.#unreachable(cause, signal)));
    });
    return { request, response };
  }

  #unreachable(cause: Error, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true) return signal.reason;
    const code = (cause as NodeJS.ErrnoException).code;
    const path = this.#path;
    if (code === "ENOENT" || code === "ECONNREFUSED") {
      const what = code === "ENOENT" ? "there is no socket at" : "nobody listens at";
      return new AgentError(
        "ERR_CONTROL_UNREACHABLE",
        `the agent is not running: ${what} ${path}`,
        {
          cause,
        },
      );
    }
    if (code === "EACCES" || code === "EPERM") {
      return new AgentError("ERR_CONTROL_UNREACHABLE", `no permission to use ${path}`, {
        cause,
        fields: { fix: "run the command as the agent's own user or as root" },
      });
    }
    return new AgentError(
      "ERR_CONTROL_UNREACHABLE",
      `the agent at ${path} does not answer: ${errorText(cause)}`,
      {
        cause,
      },
    );
  }
}

/** Errors of ours as they are; Node's, when the socket broke off, in our words. */
function lost(thrown: unknown, signal: AbortSignal | undefined): unknown {
  if (thrown instanceof AgentError) return thrown;
  if (signal?.aborted === true) return signal.reason;
  return new AgentError(
    "ERR_RPC_CONNECTION_LOST",
    "the agent ended the connection without a word",
    {
      cause: thrown,
    },
  );
}

async function send(
  request: ClientRequest,
  bodies: AsyncIterable<MessageBytes>,
  call: AdminCall,
): Promise<void> {
  for await (const body of bodies) {
    const room = request.write(`${JSON.stringify(formatBody(body, call.codec))}\n`);
    if (!room) await new Promise<void>((resolve) => request.once("drain", resolve));
  }
  request.end();
}

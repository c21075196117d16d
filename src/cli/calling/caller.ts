/**
 * The two ways of a call from the command line behind one face: through the running agent, or
 * directly to an address.
 */
import type { LoadedConfig } from "../../agent/config.ts";
import type { Client } from "../../rpc/client/client.ts";
import { AdminClient } from "../../sidecar/admin-client.ts";
import type { AdminCall, AdminReply, MessageBytes } from "../../sidecar/admin-operations.ts";
import { carriedShape } from "../../sidecar/carried-shape.ts";
import type { Terminal } from "../terminal.ts";

export interface Caller {
  call(call: AdminCall, body: MessageBytes, signal: AbortSignal): Promise<AdminReply>;
  stream(
    call: AdminCall,
    bodies: AsyncIterable<MessageBytes>,
    signal: AbortSignal,
  ): AsyncIterable<MessageBytes>;
}

export interface DirectAddress {
  /** `host:port`. */
  readonly address: string;
  /** Name that the certificate there must carry, when it is not the host. */
  readonly serverName: string | undefined;
}

/**
 * Runs `use` with a caller; `direct` is `undefined` for the way through the agent. Also a direct call is
 * the agent's where the certificate is its own: see `own-side.ts`.
 */
export async function withCaller<T>(
  terminal: Terminal,
  loaded: LoadedConfig,
  direct: DirectAddress | undefined,
  use: (caller: Caller) => Promise<T>,
): Promise<T> {
  if (direct === undefined) {
    const { controlSocketPath, file } = loaded.config;
    return use(new AdminClient(controlSocketPath, file));
  }
  const [{ withOwnSide }, { withDirectClient }] = await Promise.all([
    import("../certificates/own-side.ts"),
    import("./direct-client.ts"),
  ]);
  return withOwnSide(terminal, loaded, (own) => {
    if (own.kind === "agent") return use(addressed(own.agent, direct));
    const source = own.kind === "source" ? own.source : undefined;
    return withDirectClient(terminal, loaded.config, source, (client) =>
      use(new DirectCaller(terminal, client, direct)),
    );
  });
}

/** The agent, calling one address whatever the registry says. */
function addressed(agent: AdminClient, direct: DirectAddress): Caller {
  return {
    call: (call, body, signal) => agent.call({ ...call, ...direct }, body, signal),
    stream: (call, bodies, signal) => agent.stream({ ...call, ...direct }, bodies, signal),
  };
}

class DirectCaller implements Caller {
  readonly #terminal: Terminal;
  readonly #client: Client;
  readonly #direct: DirectAddress;

  constructor(terminal: Terminal, client: Client, direct: DirectAddress) {
    this.#terminal = terminal;
    this.#client = client;
    this.#direct = direct;
  }

  async call(call: AdminCall, body: MessageBytes, signal: AbortSignal): Promise<AdminReply> {
    const { clock } = this.#terminal;
    const startedAt = clock.monotonicMs();
    const options = this.#options(call, signal);
    const reply = await this.#client.exchange(call.service, call.endpoint, body, options);
    return { ...reply, durationMs: clock.monotonicMs() - startedAt };
  }

  async *stream(
    call: AdminCall,
    bodies: AsyncIterable<MessageBytes>,
    signal: AbortSignal,
  ): AsyncGenerator<MessageBytes> {
    const broken = new AbortController();
    const either = AbortSignal.any([signal, broken.signal]);
    await using stream = this.#client.stream(
      call.service,
      call.endpoint,
      this.#options(call, either),
    );
    const sending = (async () => {
      for await (const body of bodies) await stream.send(body);
      await stream.end();
    })();
    // A message that can't be sent ends the stream; what ended the stream first is thrown below.
    sending.catch((reason: unknown) => broken.abort(reason));
    try {
      for await (const reply of stream) yield reply;
    } catch (thrown) {
      throw broken.signal.aborted ? broken.signal.reason : thrown;
    }
  }

  #options(call: AdminCall, signal: AbortSignal) {
    return {
      codec: call.codec,
      request: carriedShape,
      response: carriedShape,
      metadata: Object.fromEntries(call.metadata),
      timeoutMs: call.timeoutMs,
      address: this.#direct.address,
      serverName: this.#direct.serverName,
      signal,
    };
  }
}

/**
 * A mucp server and raw peers of it, in memory: a peer writes what a test says, byte for byte, and reads
 * the replies with our own reader.
 */
import type { Socket } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import type { Principal } from "#src/base/principal.ts";
import { defaultPolicy } from "#src/guard/default-policy.ts";
import type { Endpoint } from "#src/rpc/endpoint.ts";
import type { Interceptor } from "#src/rpc/interceptor.ts";
import { interceptorsInOrder } from "#src/rpc/interceptors/order.ts";
import { unlimited } from "#src/rpc/interceptors/rate-limit.ts";
import { EndpointTable } from "#src/rpc/server/endpoint-table.ts";
import { MucpServer } from "#src/rpc/server/mucp-server.ts";
import type { ServerLimits } from "#src/rpc/server/server-limits.ts";
import type { PeerConnection } from "#src/transport/peer-connection.ts";
import { type MicroError, parseMicroError } from "#src/wire/mucp/error.ts";
import type { ResponseHead } from "#src/wire/mucp/message.ts";
import { responseReader } from "#src/wire/mucp/message-reader.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeRandom } from "./fake-random.ts";
import { RecordingLog } from "./recording-log.ts";

export function principal(over: Partial<Principal> = {}): Principal {
  return {
    verified: true,
    cn: "tester",
    spiffeId: undefined,
    dnsNames: [],
    ipAddresses: [],
    certificate: undefined,
    trustDomains: [""],
    roles: [],
    remote: "127.0.0.1:1",
    refusal: undefined,
    ...over,
  };
}

export interface RawReply {
  readonly head: ResponseHead;
  readonly body: string;
  readonly bytes: Uint8Array;
  /** From `Micro-Error`; `undefined` for a good reply and for EOS. */
  readonly error: MicroError | undefined;
  readonly eos: boolean;
}

/** The client's end of a connection. */
export class RawPeer {
  readonly stream: Duplex;
  /** All that was read, before parsing. */
  received = "";
  /** Pieces in which it came: in memory, one per write of the server. */
  writes = 0;
  ended = false;
  readonly #replies: RawReply[] = [];
  readonly #reader = responseReader();
  #wake = Promise.withResolvers<void>();

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on("data", (chunk: Buffer) => {
      this.received += chunk.toString("latin1");
      this.writes++;
      this.#reader.push(chunk, {
        onHead: () => "keep",
        onMessage: (head, body) => this.#onReply(head, body),
      });
    });
    for (const event of ["end", "close"]) {
      stream.on(event, () => {
        this.ended = true;
        this.#notify();
      });
    }
    stream.on("error", () => undefined);
  }

  send(text: string | Uint8Array): void {
    this.stream.write(typeof text === "string" ? Buffer.from(text, "latin1") : text);
  }

  /** The next reply; fails when the connection ends instead. */
  async reply(): Promise<RawReply> {
    for (;;) {
      const reply = this.#replies.shift();
      if (reply !== undefined) return reply;
      if (this.ended) throw new Error("connection ended without a reply");
      await this.#wake.promise;
    }
  }

  /** Replies that have come and were not taken. */
  get waiting(): number {
    return this.#replies.length;
  }

  async untilEnd(): Promise<void> {
    while (!this.ended) await this.#wake.promise;
  }

  #onReply(head: ResponseHead, body: Uint8Array): void {
    const text = head.headers.get("micro-error");
    const eos = text === "EOS";
    this.#replies.push({
      head,
      body: Buffer.from(body).toString("utf8"),
      bytes: new Uint8Array(body),
      error: text === undefined || eos ? undefined : parseMicroError(text),
      eos,
    });
    this.#notify();
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}

export interface ServeOptions {
  readonly endpoints?: Readonly<Record<string, Endpoint>>;
  readonly limits?: Partial<ServerLimits>;
  readonly interceptors?: readonly Interceptor[];
}

export class MemoryServer {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly table = new EndpointTable("microedge");
  readonly server: MucpServer;

  constructor({ endpoints = {}, limits = {}, interceptors }: ServeOptions = {}) {
    const { clock, log, table } = this;
    for (const [name, endpoint] of Object.entries(endpoints)) {
      table.register("microedge", name, endpoint);
    }
    this.server = new MucpServer({
      serviceName: "microedge",
      table,
      interceptors:
        interceptors ??
        interceptorsInOrder({ clock, log, limiter: unlimited, policy: defaultPolicy }),
      clock,
      random: new FakeRandom(),
      log,
      limits,
    });
  }

  connect(peer: Principal = principal(), listener: Pick<PeerConnection, "setIdle"> = {}): RawPeer {
    const [near, far] = duplexPair();
    const socket = near as unknown as Socket;
    this.server.handle({ socket, principal: peer, alpn: "http/1.1", ...listener });
    return new RawPeer(far);
  }
}

/** A request as go-micro sends it. Headers given as `undefined` are left out. */
export function request(
  endpoint: string | undefined,
  body: string | Uint8Array = "",
  headers: Readonly<Record<string, string | undefined>> = {},
): Buffer {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const lines = Object.entries({
    Host: "x",
    "Content-Type": "application/json",
    "Micro-Endpoint": endpoint,
    "Content-Length": String(bytes.length),
    ...headers,
  })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST / HTTP/1.1\r\n${lines.join("")}\r\n`), bytes]);
}

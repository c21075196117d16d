/** A peer of the agent by hand: one TLS connection, one call after another. */
import { once } from "node:events";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import type { Issued } from "#src/identity/x509/issue.ts";

export interface RawAnswer {
  /** 200 for a good one. */
  readonly code: number;
  readonly detail: string;
}

export class RawPeer implements Disposable {
  readonly socket: TLSSocket;
  /** Resolves when the connection is closed, with the monotonic milliseconds of that. */
  readonly closed: Promise<number>;
  #ticket: Buffer | undefined;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    this.closed = once(socket, "close").then(() => performance.now());
    socket.on("error", () => socket.destroy());
    socket.on("session", (ticket) => {
      this.#ticket = ticket;
    });
  }

  /** @param listen `host:port`. */
  static async connect(
    listen: string | undefined,
    ca: string,
    { certificatePem, keyPem }: Issued,
    options: ConnectionOptions = {},
  ): Promise<RawPeer> {
    const [host = "", port = ""] = listen?.split(":") ?? [];
    const own = { host, port: Number(port), ca, cert: certificatePem, key: keyPem };
    const peer = new RawPeer(connect({ ...own, ...options }));
    await once(peer.socket, "secureConnect");
    return peer;
  }

  /** The last session ticket; a full answer has been read when there is one. */
  get session(): Buffer {
    if (this.#ticket === undefined) throw new Error("no session ticket came");
    return this.#ticket;
  }

  /** The answer to one call, also to one that was refused before it was read. */
  async ask(endpoint = "Agent.Echo"): Promise<RawAnswer> {
    const lines = [
      "POST / HTTP/1.1",
      "Host: x",
      "Content-Type: application/json",
      "Content-Length: 2",
      "Micro-Service: microedge",
      `Micro-Endpoint: ${endpoint}`,
      "Micro-Id: 1",
    ];
    this.socket.write(`${lines.join("\r\n")}\r\n\r\n{}`);
    const [chunk] = (await once(this.socket, "data")) as [Uint8Array];
    const error = /^micro-error: (.*)\r$/im.exec(String(chunk))?.[1];
    return error === undefined ? { code: 200, detail: "" } : (JSON.parse(error) as RawAnswer);
  }

  /** Opens an echo stream; what comes back of a first message. */
  async openStream(): Promise<string> {
    const lines = [
      "POST / HTTP/1.1",
      "Host: x",
      "Content-Type: application/json",
      "Micro-Service: microedge",
      "Micro-Endpoint: Agent.EchoStream",
      "Micro-Id: 7",
      "Micro-Stream: s1",
    ];
    for (const body of ["{}", '{"text":"first"}']) {
      this.socket.write(`${lines.join("\r\n")}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    }
    const [chunk] = (await once(this.socket, "data")) as [Uint8Array];
    return String(chunk);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

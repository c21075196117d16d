/**
 * The far end of a connection as a script plays it: collects whole requests, and answers with whatever
 * bytes the script wants, in whatever pieces, whenever it wants.
 */
import type { Duplex } from "node:stream";
import type { MessageHeaders } from "#src/wire/mucp/message.ts";
import { requestReader } from "#src/wire/mucp/message-reader.ts";

export interface PeerRequest {
  readonly headers: MessageHeaders;
  readonly body: Buffer;
}

export type PeerScript = (request: PeerRequest, peer: MucpPeer) => void;

export class MucpPeer {
  readonly socket: Duplex;
  readonly requests: PeerRequest[] = [];
  /** The client's end of data has come. */
  ended = false;
  #waiters: (() => void)[] = [];

  constructor(socket: Duplex, script: PeerScript) {
    this.socket = socket;
    const reader = requestReader();
    const sink = {
      onHead: () => "keep" as const,
      onMessage: ({ headers }: { headers: MessageHeaders }, body: Uint8Array): void => {
        const request = { headers, body: Buffer.from(body) };
        this.requests.push(request);
        script(request, this);
        for (const wake of this.#waiters.splice(0)) wake();
      },
    };
    socket.on("data", (chunk: Uint8Array) => reader.push(chunk, sink));
    socket.on("error", () => undefined); // a client that gives up resets the connection
    socket.on("end", () => {
      this.ended = true;
    });
  }

  /** Resolves when `count` requests have come on this connection. */
  async received(count: number): Promise<void> {
    while (this.requests.length < count) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** Sends bytes, as one piece. */
  raw(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Sends bytes in `pieces` pieces of about the same size. */
  inPieces(bytes: Uint8Array, pieces: number): void {
    const size = Math.ceil(bytes.length / pieces);
    for (let at = 0; at < bytes.length; at += size) this.raw(bytes.subarray(at, at + size));
  }

  json(body: unknown, headers?: Readonly<Record<string, string>>): void {
    this.raw(jsonReply(body, headers));
  }

  error(text: string, headers?: Readonly<Record<string, string>>): void {
    this.raw(rawReply("", { "Micro-Error": text, ...headers }));
  }

  endOfStream(): void {
    this.error("EOS");
  }

  /** Ends the connection in good order. */
  close(): void {
    this.socket.end();
  }
}

/** A whole reply, written by hand so that tests do not depend on the writer that they test. */
export function rawReply(
  body: string | Uint8Array,
  headers?: Readonly<Record<string, string>>,
): Buffer {
  const bytes = Buffer.from(body);
  const all = {
    "Content-Type": "application/json",
    "Content-Length": String(bytes.length),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${lines.join("")}\r\n`), bytes]);
}

export function jsonReply(body: unknown, headers?: Readonly<Record<string, string>>): Buffer {
  return rawReply(`${JSON.stringify(body)}\n`, headers);
}

/**
 * A listener of ours on loopback with everything a test wants to look at: what it logged, whom it
 * handed over. Handed-over connections answer every chunk with `echo:` and the chunk.
 */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import type { AgentError } from "#src/base/errors.ts";
import { EVENTS, type LogEvent, type LogFields, type Logger } from "#src/base/log.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { Listener, type ListenerOptions } from "#src/transport/listener.ts";
import type { PeerConnection } from "#src/transport/peer-connection.ts";

export interface LoggedLine {
  readonly event: LogEvent;
  readonly fields: LogFields;
}

/** Keeps lines and lets a test wait for one. */
export class RecordingLog implements Logger {
  readonly lines: LoggedLine[] = [];
  readonly #waiters = new Set<() => void>();

  emit(event: LogEvent, fields: LogFields = {}): void {
    if (EVENTS[event] === undefined) throw new Error(`${event} is not in the table`);
    this.lines.push({ event, fields });
    for (const waiter of [...this.#waiters]) waiter();
  }

  enabled(): boolean {
    return true;
  }

  with(): Logger {
    return this;
  }

  of(event: LogEvent): LoggedLine[] {
    return this.lines.filter((line) => line.event === event);
  }

  /** Resolves with the first line, written or still to come, that `wanted` says yes to. */
  async find(wanted: (line: LoggedLine) => boolean): Promise<LoggedLine> {
    for (;;) {
      const line = this.lines.find(wanted);
      if (line !== undefined) return line;
      await new Promise<void>((resolve) => {
        const waiter = (): void => {
          this.#waiters.delete(waiter);
          resolve();
        };
        this.#waiters.add(waiter);
      });
    }
  }
}

export interface Rig extends AsyncDisposable {
  readonly listener: Listener;
  readonly log: RecordingLog;
  /** Connections handed over, in order. */
  readonly handed: PeerConnection[];
  readonly port: number;
}

/** The text a refused peer gets in these tests. */
export const refusalText = (refusal: AgentError): string => `REFUSED ${refusal.message}\n`;

export async function startRig(
  security: ListenerOptions["security"],
  overrides: Partial<Omit<ListenerOptions, "security">> = {},
): Promise<Rig> {
  const log = new RecordingLog();
  const handed: PeerConnection[] = [];
  const listener = new Listener({
    listen: { host: "127.0.0.1", port: 0 },
    security,
    limits: { maxConnections: 50, maxHandshakes: 8 },
    handshakeTimeoutMs: 5000,
    refusalReply: (refusal) => new TextEncoder().encode(refusalText(refusal)),
    handler: (connection) => {
      handed.push(connection);
      connection.socket.on("data", (chunk) => connection.socket.write(`echo:${chunk}`));
      connection.socket.on("error", () => connection.socket.destroy());
    },
    clock: systemClock,
    random: systemRandom,
    log,
    ...overrides,
  });
  await listener.start(new AbortController().signal);
  const port = Number(listener.address?.split(":").at(-1));
  return {
    listener,
    log,
    handed,
    port,
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]();
      for (const { socket } of handed) socket.destroy();
    },
  };
}

/** Resolves when the handshake is done, rejects with the error otherwise. */
export async function dialTls(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ host: "127.0.0.1", port, ...options });
  await once(socket, "secureConnect");
  return socket;
}

export async function dialTcp(port: number): Promise<Socket> {
  const socket = connectTcp(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** Everything the other side sends until it closes; an error closes too and is appended. */
export async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => {
    text += String(chunk);
  });
  socket.on("error", (error) => {
    text += `<${(error as NodeJS.ErrnoException).code}>`;
  });
  if (!socket.closed) await once(socket, "close");
  return text;
}

/** Sends a word and returns the first answer. */
export async function echo(socket: Socket, word: string): Promise<string> {
  socket.write(word);
  const [chunk] = (await once(socket, "data")) as [Uint8Array];
  return String(chunk);
}

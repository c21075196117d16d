/**
 * Two ends of a connection without a network: what one writes, the other reads a microtask later, in the
 * same pieces, no faster than it reads. An end that is destroyed in good order is an end of data for the
 * other; `refuseWrites` is a connection that broke unnoticed.
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

type Done = (error?: Error | null) => void;

export class FakeSocket extends Duplex {
  #peer: FakeSocket | undefined;
  /** The other end's write that waits until this end reads. */
  #waiting: Done | undefined;
  /** Bytes that reached the other end. */
  bytesSent = 0;

  constructor() {
    super({ allowHalfOpen: false });
  }

  static pair(): readonly [FakeSocket, FakeSocket] {
    const [a, b] = [new FakeSocket(), new FakeSocket()];
    a.#peer = b;
    b.#peer = a;
    return [a, b];
  }

  destroySoon(): void {
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy()).end();
  }

  /** From now on the kernel takes no byte, as after a reset that nobody has read yet. */
  refuseWrites(): void {
    this.#peer = undefined;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    queueMicrotask(() => {
      const peer = this.#peer;
      if (peer === undefined || peer.destroyed) {
        done(systemError("write", "EPIPE"));
        return;
      }
      this.bytesSent += chunk.length;
      if (peer.push(Buffer.from(chunk))) done();
      else peer.#waiting = done;
    });
  }

  override _read(): void {
    const done = this.#waiting;
    this.#waiting = undefined;
    done?.();
  }

  override _final(done: Done): void {
    queueMicrotask(() => {
      if (this.#peer?.destroyed === false) this.#peer.push(null);
      done();
    });
  }

  override _destroy(error: Error | null, done: Done): void {
    const peer = this.#peer;
    queueMicrotask(() => {
      if (peer !== undefined && !peer.destroyed && !peer.readableEnded) peer.push(null);
    });
    this.#waiting?.();
    done(error);
  }
}

/** For code that wants a `net.Socket`: the fake has all of it that the code may use. */
export function asSocket(fake: FakeSocket): Socket {
  return fake as unknown as Socket;
}

function systemError(syscall: string, code: string): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { syscall, code });
}

/**
 * Last words to a peer: all of them arrive, whatever the peer has sent meanwhile.
 *
 * Closing a socket with unread bytes makes the kernel send a reset, which throws away what we wrote.
 * So: write, end our half, read and drop what still comes (bounded in bytes and time), then destroy.
 */
import type { Socket } from "node:net";
import type { Clock } from "../host/clock.ts";

export interface DrainLimits {
  /** Enough for a whole request of the default size limit. */
  readonly maxBytes?: number;
  readonly maxMs?: number;
}

const MAX_BYTES = 5 * 1024 * 1024;
const MAX_MS = 2000;

/** Sends `lastWords` and closes. Returns at once; the socket is gone within the limits. */
export function closeGracefully(
  socket: Socket,
  lastWords: Uint8Array,
  clock: Clock,
  limits: DrainLimits = {},
): void {
  let left = limits.maxBytes ?? MAX_BYTES;
  const timer = clock.setTimer(limits.maxMs ?? MAX_MS, () => socket.destroy());
  socket.once("close", () => timer.cancel());
  // The peer may hang up first; it was told what it would hear, and there is nobody else to tell.
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Uint8Array) => {
    left -= chunk.length;
    if (left < 0) socket.destroy();
  });
  socket.once("end", () => socket.destroySoon());
  socket.end(lastWords);
  // Its former reader may have paused it.
  socket.resume();
}

/**
 * Waiting for one event of a socket, or for its failure, or for an abort; whichever comes second finds
 * no listener left.
 */
import type { Socket } from "node:net";

/**
 * Resolves on `event`. Rejects with the socket's error, with `ECONNRESET` when it closes first, or
 * with the signal's reason; then the socket is destroyed.
 */
export function waitFor(
  socket: Socket,
  event: "connect" | "secureConnect",
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      socket.off(event, onEvent);
      socket.off("error", onError);
      socket.off("close", onClose);
      signal.removeEventListener("abort", onAbort);
    };
    const fail = (error: unknown): void => {
      stop();
      // An error that comes while it is being destroyed has nobody left to care.
      socket.on("error", () => undefined);
      socket.destroy();
      reject(error);
    };
    const onEvent = (): void => {
      stop();
      resolve();
    };
    const onError = (error: Error): void => fail(error);
    const onClose = (): void =>
      fail(Object.assign(new Error("closed before it was ready"), { code: "ECONNRESET" }));
    const onAbort = (): void => fail(signal.reason);
    if (signal.aborted) {
      onAbort();
      return;
    }
    socket.on(event, onEvent);
    socket.on("error", onError);
    socket.on("close", onClose);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

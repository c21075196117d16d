/**
 * One change of the identity at a time. Of those who wait to install, the newest wins: whoever waited
 * before is told at once. Changes of our own (a fall-back, the end of an overlap) take their turn.
 */
import { AgentError } from "../base/errors.ts";
import { Turns } from "../base/turns.ts";

export class InstallQueue {
  readonly #turns = new Turns();
  /** Running and waiting. */
  #open = 0;
  /** Ends the wait of the one that waits to install. */
  #supersede: (() => void) | undefined;
  readonly #after: () => void;

  /** @param after Called after each change, also one that failed. */
  constructor(after: () => void = () => undefined) {
    this.#after = after;
  }

  /** Runs `task` when everything before it is done. */
  run<T>(task: () => Promise<T>): Promise<T> {
    this.#open += 1;
    return this.#turns.take(async () => {
      try {
        return await task();
      } finally {
        this.#open -= 1;
        this.#after();
      }
    });
  }

  /** As {@link run}; rejects with `ERR_CERT_SUPERSEDED` when a newer one comes before its turn. */
  runNewest<T>(task: () => Promise<T>): Promise<T> {
    if (this.#open === 0) return this.run(task);
    this.#supersede?.();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let superseded = false;
    const supersede = (): void => {
      superseded = true;
      reject(
        new AgentError(
          "ERR_CERT_SUPERSEDED",
          "a newer identity came while this one waited its turn",
        ),
      );
    };
    this.#supersede = supersede;
    void this.run(async () => {
      if (this.#supersede === supersede) this.#supersede = undefined;
      if (superseded) return;
      try {
        resolve(await task());
      } catch (error) {
        reject(error);
      }
    });
    return promise;
  }

  /** Resolves when nothing runs or waits. */
  idle(): Promise<void> {
    return this.#turns.idle();
  }
}

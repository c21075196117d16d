/**
 * A part of the agent that runs between `start` and disposal.
 *
 * - `start` resolves when the part is ready to serve, and rejects leaving nothing behind.
 * - `signal` aborts start-up only; stopping is always `[Symbol.asyncDispose]`.
 * - Disposal is idempotent, never rejects, and finishes in-flight work before it resolves.
 */
export interface Part extends AsyncDisposable {
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
}

/**
 * Starts parts in order and stops them in reverse. If one fails to start, those already running are
 * stopped and the failure is rethrown: the agent is either wholly up or wholly down.
 */
export async function startAll(
  parts: readonly Part[],
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  await using running = new AsyncDisposableStack();
  for (const part of parts) {
    signal.throwIfAborted();
    await part.start(signal);
    running.use(part);
  }
  return running.move();
}

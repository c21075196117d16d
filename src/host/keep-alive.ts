/**
 * Keeps the process alive while it waits for something that does not: the timers of our clock.
 */
import { MAX_TIMER_MS } from "./clock.ts";

/** Until it is disposed. */
export function keepAlive(): Disposable {
  const handle = setInterval(() => undefined, MAX_TIMER_MS);
  return { [Symbol.dispose]: () => clearInterval(handle) };
}

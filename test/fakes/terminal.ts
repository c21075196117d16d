/**
 * A terminal that remembers what was written to it.
 */

import type { Output, StopSignal, Terminal } from "#src/cli/terminal.ts";
import { systemRandom } from "#src/host/random.ts";
import { FakeClock } from "./fake-clock.ts";

export class FakeOutput implements Output {
  readonly isTerminal: boolean;
  readonly colour: boolean;
  readonly #closed = new AbortController();
  text = "";

  constructor(colour = false) {
    this.isTerminal = colour;
    this.colour = colour;
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  write(text: string | Uint8Array): void {
    this.text += typeof text === "string" ? text : Buffer.from(text).toString("utf8");
  }

  /** The reader goes away. */
  close(): void {
    this.#closed.abort();
  }
}

export class FakeTerminal implements Terminal {
  readonly stdout: FakeOutput;
  readonly stderr = new FakeOutput();
  stdin: AsyncIterable<Uint8Array> = (async function* () {})();
  readonly stdinIsTerminal = false;
  env: Readonly<Record<string, string | undefined>> = {};
  readonly cwd: string;
  readonly uid = 1000;
  readonly pid = 4711;
  readonly self = ["microedge"] as const;
  readonly clock = new FakeClock();
  readonly random = systemRandom;
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(cwd = "/nowhere", colour = false) {
    this.cwd = cwd;
    this.stdout = new FakeOutput(colour);
  }

  onSignal(signal: StopSignal, listener: () => void): () => void {
    const listeners = this.#listeners.get(signal) ?? new Set();
    this.#listeners.set(signal, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  onBug(): () => void {
    return () => undefined;
  }

  exit(code: number): never {
    throw new Error(`exit ${code}`);
  }

  /** As if the signal had arrived; how many listened. */
  signal(signal: StopSignal): number {
    const listeners = [...(this.#listeners.get(signal) ?? [])];
    for (const listener of listeners) listener();
    return listeners.length;
  }
}

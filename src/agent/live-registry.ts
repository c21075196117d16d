/**
 * A registry that a reload can replace while clients hold on to it.
 */
import type { Registry, ServiceRecord } from "../registry/record.ts";

export class LiveRegistry implements Registry {
  #current: Registry;

  constructor(first: Registry) {
    this.#current = first;
  }

  get name(): string {
    return this.#current.name;
  }

  /** Lookups from now on ask `next`; those under way finish with the old one. */
  replace(next: Registry): void {
    this.#current = next;
  }

  peek(service: string): readonly ServiceRecord[] | undefined {
    return this.#current.peek?.(service);
  }

  lookup(service: string, signal: AbortSignal): Promise<readonly ServiceRecord[]> {
    return this.#current.lookup(service, signal);
  }

  list(signal: AbortSignal): Promise<readonly string[]> {
    return this.#current.list(signal);
  }
}

/**
 * Names to addresses, with a time limit. Every dial asks again, so that a changed answer counts at
 * once; when the resolver fails or hangs, the last good answer of that name is used instead (TLS
 * checks who is there anyway). The system's resolver can't be cancelled: a question that hangs is
 * left behind, and not asked a second time while it hangs, because each one holds a thread.
 */
import { isIP } from "node:net";
import { AgentError } from "../base/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Network, NetworkAddress } from "../host/network.ts";
import { interleaveFamilies } from "./happy-eyeballs.ts";
import { errorCode } from "./node-error.ts";

export interface NameLookupOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** Names whose last answer is kept. */
const MAX_KEPT = 64;

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: "the name does not exist",
  ENODATA: "the name has no address",
  EAI_AGAIN: "the name server does not answer",
};

export class NameLookup {
  readonly #options: NameLookupOptions;
  readonly #asking = new Map<string, Promise<readonly NetworkAddress[]>>();
  readonly #kept = new Map<string, readonly NetworkAddress[]>();

  constructor(options: NameLookupOptions) {
    this.#options = options;
  }

  /**
   * Addresses to try, families in turn. An IP address is its own answer.
   *
   * @throws AgentError `ERR_RPC_CONNECT`; the signal's reason when it aborts.
   */
  async resolve(host: string, signal: AbortSignal): Promise<readonly NetworkAddress[]> {
    const family = isIP(host);
    if (family !== 0) return [{ address: host, family: family === 6 ? 6 : 4 }];
    try {
      const found = await this.#limited(host, this.#ask(host), signal);
      if (found.length === 0) throw new AgentError("ERR_RPC_CONNECT", noAddress(host, "ENODATA"));
      this.#keep(host, found);
      return interleaveFamilies(found);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const kept = this.#kept.get(host);
      if (kept !== undefined) return interleaveFamilies(kept);
      if (error instanceof AgentError) throw error;
      throw new AgentError("ERR_RPC_CONNECT", noAddress(host, errorCode(error)), { cause: error });
    }
  }

  #ask(host: string): Promise<readonly NetworkAddress[]> {
    const pending = this.#asking.get(host);
    if (pending !== undefined) return pending;
    const asked = this.#options.network.lookup(host).finally(() => this.#asking.delete(host));
    this.#asking.set(host, asked);
    return asked;
  }

  #limited<T>(host: string, answer: Promise<T>, signal: AbortSignal): Promise<T> {
    const { clock, timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => settle(() => reject(signal.reason));
      const timer = clock.setTimer(timeoutMs, () =>
        settle(() => {
          const words = `no answer from the name server for "${host}" within ${timeoutMs} ms`;
          reject(new AgentError("ERR_RPC_CONNECT", words));
        }),
      );
      const settle = (run: () => void): void => {
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
        run();
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
      answer.then(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(error)),
      );
    });
  }

  #keep(host: string, found: readonly NetworkAddress[]): void {
    this.#kept.delete(host);
    this.#kept.set(host, found);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
  }
}

function noAddress(host: string, code: string): string {
  return `cannot resolve "${host}": ${WORDS[code] ?? (code || "no reason given")}`;
}

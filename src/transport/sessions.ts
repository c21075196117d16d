/**
 * TLS sessions of servers that we dialled, to spare the next handshake its signatures. Each is used
 * once (RFC 8446 appendix C.4), and all are forgotten when our material changes.
 */
const MAX_SESSIONS = 64;

export class Sessions {
  readonly #byTarget = new Map<string, Uint8Array>();

  /** Takes the session of a target out, if there is one. */
  take(target: string): Uint8Array | undefined {
    const session = this.#byTarget.get(target);
    this.#byTarget.delete(target);
    return session;
  }

  put(target: string, session: Uint8Array): void {
    this.#byTarget.delete(target);
    this.#byTarget.set(target, session);
    const [oldest] = this.#byTarget.keys();
    if (this.#byTarget.size > MAX_SESSIONS && oldest !== undefined) this.#byTarget.delete(oldest);
  }

  clear(): void {
    this.#byTarget.clear();
  }
}

/**
 * TLS sessions of servers that we dialled, to spare the next handshake its signatures. Each is used
 * once (RFC 8446 appendix C.4), and all are forgotten when our material changes.
 */
import type { Certificate } from "../identity/x509/certificate.ts";

export interface Session {
  readonly ticket: Uint8Array;
  /** What the server showed in the full handshake: a resumed one does not show it again. */
  readonly certificate: Certificate;
}

const MAX_SESSIONS = 64;

export class Sessions {
  readonly #byTarget = new Map<string, Session>();

  /** Takes the session of a target out, if there is one. */
  take(target: string): Session | undefined {
    const session = this.#byTarget.get(target);
    this.#byTarget.delete(target);
    return session;
  }

  put(target: string, session: Session): void {
    this.#byTarget.delete(target);
    this.#byTarget.set(target, session);
    const [oldest] = this.#byTarget.keys();
    if (this.#byTarget.size > MAX_SESSIONS && oldest !== undefined) this.#byTarget.delete(oldest);
  }

  clear(): void {
    this.#byTarget.clear();
  }
}

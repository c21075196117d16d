/**
 * The OCSP answer about our own certificate that our server staples (RFC 6066 section 8): fetched ahead,
 * renewed at half its life, and never shown once it is stale.
 */
import type { Server as TlsServer } from "node:tls";
import { type Clock, MAX_TIMER_MS, type Timer } from "../host/clock.ts";
import { sameBytes } from "../identity/revocation/der-cursor.ts";
import { freshnessOf } from "../identity/revocation/freshness.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import type { OcspClient, OcspReply } from "./ocsp-client.ts";

export interface OcspStapleParts {
  readonly client: OcspClient;
  readonly clock: Clock;
  time(): TimeView;
  /** Our own certificate in force. */
  leaf(): Certificate | undefined;
  /** Whether responders may be asked. */
  wanted(): boolean;
}

const RETRY_MS = 60_000;
const MIN_WAIT_MS = 1_000;

export class OcspStaple implements Disposable {
  readonly #parts: OcspStapleParts;
  #reply: OcspReply | undefined;
  /** Fingerprint of the certificate that it is about. */
  #about = "";
  #timer: Timer | undefined;
  #stopped = false;

  constructor(parts: OcspStapleParts) {
    this.#parts = parts;
  }

  /** When the staple ends, Unix ms; `undefined` without one in date. */
  get endsAt(): number | undefined {
    return this.current() === undefined ? undefined : this.#reply?.answer.nextUpdate;
  }

  /** What may be stapled now. */
  current(): Uint8Array | undefined {
    const { leaf, time, wanted } = this.#parts;
    const reply = this.#reply;
    if (reply === undefined || !wanted() || this.#about !== leaf()?.summary.fingerprint)
      return undefined;
    return freshnessOf(reply.answer, time()).state === "fresh" ? reply.der : undefined;
  }

  /** Lets `server` staple to whoever asks for it. */
  serve(server: TlsServer): void {
    server.on(
      "OCSPRequest",
      (
        certificate: Uint8Array,
        _issuer: unknown,
        answer: (error: null, der: Uint8Array | null) => void,
      ) => {
        const leaf = this.#parts.leaf()?.x509.raw;
        const ours = leaf !== undefined && sameBytes(leaf, certificate);
        answer(null, (ours ? this.current() : undefined) ?? null);
      },
    );
  }

  /** Fetches now: at the start, when our certificate or the settings have changed. */
  async refresh(): Promise<void> {
    const { client, clock, leaf, wanted, time } = this.#parts;
    this.#timer?.cancel();
    const own = leaf();
    if (own === undefined || !wanted() || this.#stopped) return;
    const reply = await client.ask(own);
    if (this.#stopped) return;
    if (reply !== undefined) {
      this.#reply = reply;
      this.#about = own.summary.fingerprint;
    }
    const { nextUpdate, thisUpdate } = reply?.answer ?? { nextUpdate: 0, thisUpdate: 0 };
    const halfLife = thisUpdate + (nextUpdate - thisUpdate) / 2 - time().nowMs;
    const waitMs =
      reply === undefined ? RETRY_MS : Math.min(MAX_TIMER_MS, Math.max(MIN_WAIT_MS, halfLife));
    this.#timer?.cancel();
    this.#timer = clock.setTimer(waitMs, () => void this.refresh());
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}

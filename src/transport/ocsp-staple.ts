/**
 * The OCSP answer about our own certificate that our server staples (RFC 6066 section 8): due at half its
 * life, kept over a restart, and never shown once it is stale. It says when it is due; whoever keeps the
 * pauses of outgoing work has it asked for.
 */
import type { Server as TlsServer } from "node:tls";
import type { Clock } from "../host/clock.ts";
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

const MIN_WAIT_MS = 1_000;
/** Ours is on disk sooner than those about peers: it spares a question at each start. */
const REWRITE_MS = 600_000;

export class OcspStaple {
  readonly #parts: OcspStapleParts;
  #reply: OcspReply | undefined;
  /** Fingerprint of the certificate that it is about. */
  #about = "";
  /** Monotonic ms. */
  #dueAt = 0;

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

  /** How long until it is to be asked for, 0 when it is due; `undefined` while nobody can be asked. Milliseconds. */
  dueInMs(): number | undefined {
    const own = this.#wanted();
    if (own === undefined) return undefined;
    if (this.#about !== own.summary.fingerprint) this.#recall(own);
    if (this.#about !== own.summary.fingerprint) return 0;
    return Math.max(0, this.#dueAt - this.#parts.clock.monotonicMs());
  }

  /** Asks now. Never rejects. @returns Why there is no answer; `undefined` when there is, or none is wanted. */
  async ask(): Promise<string | undefined> {
    const { client } = this.#parts;
    const own = this.#wanted();
    if (own === undefined) return undefined;
    const reply = await client.ask(own, REWRITE_MS);
    if (reply !== undefined) {
      this.#take(reply, own);
      return undefined;
    }
    const [fault] = client.faults();
    return `no answer about our own certificate${fault === undefined ? "" : ` from ${fault.responder}: ${fault.reason}`}`;
  }

  #wanted(): Certificate | undefined {
    const { client, leaf, wanted } = this.#parts;
    const own = wanted() ? leaf() : undefined;
    return own === undefined || client.responders(own).length === 0 ? undefined : own;
  }

  #recall(own: Certificate): void {
    const { client, time } = this.#parts;
    const kept = client.kept(own);
    if (kept !== undefined && freshnessOf(kept.answer, time()).state === "fresh") {
      this.#take(kept, own);
    }
  }

  #take(reply: OcspReply, own: Certificate): void {
    const { clock, time } = this.#parts;
    const { nextUpdate, thisUpdate } = reply.answer;
    const nowMs = time().nowMs;
    const halfLife = thisUpdate + (nextUpdate - thisUpdate) / 2 - nowMs;
    // One that is past its half already was made ahead: there is no newer one for some time.
    const waitMs = halfLife > 0 ? halfLife : (nextUpdate - nowMs) / 2;
    this.#reply = reply;
    this.#about = own.summary.fingerprint;
    this.#dueAt = clock.monotonicMs() + Math.max(MIN_WAIT_MS, waitMs);
  }
}

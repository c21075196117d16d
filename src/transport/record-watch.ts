/**
 * Finds peers that keep us busy with TLS records that carry nothing: key updates, each of which OpenSSL
 * answers with another, also when the peer reads none of them; records of one byte. Nothing above TLS
 * sees them, so no other limit counts them. Looks every few seconds at what came in against what it
 * held.
 */
import type { Clock, Timer } from "../host/clock.ts";

/** One connection, as its sockets count. */
export interface WatchedRecords {
  /** Bytes as they came, records and all. */
  readonly raw: { readonly bytesRead: number };
  /** Bytes that the records held. */
  readonly socket: { readonly bytesRead: number };
}

interface Seen {
  raw: number;
  held: number;
}

const LOOK_MS = 5000;
/** In one span this much may come for nothing: a handshake with a long chain is far below. */
const FREE_BYTES = 256 * 1024;
/** A record costs 22 bytes beside what it holds; requests hold over a hundred. */
const WASTE_FACTOR = 16;

export class RecordWatch<P extends WatchedRecords> implements Disposable {
  readonly #clock: Clock;
  readonly #onWaste: (peer: P) => void;
  readonly #peers = new Map<P, Seen>();
  #timer: Timer | undefined;

  /** @param onWaste Called once; the peer is forgotten then. */
  constructor(clock: Clock, onWaste: (peer: P) => void) {
    this.#clock = clock;
    this.#onWaste = onWaste;
  }

  watch(peer: P): void {
    this.#peers.set(peer, { raw: peer.raw.bytesRead, held: peer.socket.bytesRead });
    this.#timer ??= this.#clock.setTimer(LOOK_MS, this.#look);
  }

  forget(peer: P): void {
    this.#peers.delete(peer);
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#peers.clear();
  }

  readonly #look = (): void => {
    for (const [peer, seen] of [...this.#peers]) {
      const raw = peer.raw.bytesRead - seen.raw;
      const held = peer.socket.bytesRead - seen.held;
      seen.raw += raw;
      seen.held += held;
      if (raw <= FREE_BYTES || raw <= held * WASTE_FACTOR) continue;
      this.#peers.delete(peer);
      this.#onWaste(peer);
    }
    this.#timer = this.#peers.size === 0 ? undefined : this.#clock.setTimer(LOOK_MS, this.#look);
  };
}

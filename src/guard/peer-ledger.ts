/**
 * What each peer is doing: calls in flight, and how many it made lately. Bounded: when it is full, the
 * quietest peer without a call in flight gives way to a newcomer.
 *
 * A peer is what its certificate says: the SPIFFE ID, else the common name and its issuer, else the
 * fingerprint; so several connections of one peer count together. A peer that was not verified is its
 * address: the names in its certificate are its own invention.
 */
import type { Principal } from "../base/principal.ts";
import { addressKey } from "./address-key.ts";
import { BucketKey } from "./bucket-table.ts";
import type { KeyedHash } from "./keyed-hash.ts";
import type { PeerUseView } from "./limits-view.ts";

const MAX_PEERS = 256;
/** Length of one counting window. */
const WINDOW_MS = 10_000;

export class PeerUse {
  /** For people. */
  readonly name: string;
  /** Tells peers apart. */
  readonly id: string;
  /** Finds the peer's bucket. */
  readonly key: BucketKey;
  /** In the ledger; a peer that was dropped is entered again with its next call. */
  listed = false;
  /** Monotonic milliseconds; until then the log says nothing of its refusals. */
  tellAgainAt = 0;
  calls = 0;
  refused = 0;
  inFlight = 0;
  #windowStart = 0;
  #current = 0;
  #previous = 0;

  constructor(id: string, name: string, key: BucketKey) {
    this.id = id;
    this.name = name;
    this.key = key;
  }

  count(nowMs: number): void {
    this.calls++;
    this.#turn(nowMs);
    this.#current++;
  }

  /** Calls per second over the window at hand and the part of the last one that completes it. */
  perSecond(nowMs: number): number {
    this.#turn(nowMs);
    const passed = (nowMs - this.#windowStart) / WINDOW_MS;
    return ((this.#previous * (1 - passed) + this.#current) * 1000) / WINDOW_MS;
  }

  #turn(nowMs: number): void {
    const windows = Math.floor((nowMs - this.#windowStart) / WINDOW_MS);
    if (windows <= 0) return;
    this.#previous = windows === 1 ? this.#current : 0;
    this.#current = 0;
    this.#windowStart += windows * WINDOW_MS;
  }
}

export class PeerLedger {
  readonly #hash: KeyedHash;
  readonly #listed = new Map<string, PeerUse>();
  /** Each connection finds its peer without a look at names. */
  readonly #met = new WeakMap<Principal, PeerUse>();

  constructor(hash: KeyedHash) {
    this.#hash = hash;
  }

  of(principal: Principal, nowMs: number): PeerUse {
    const known = this.#met.get(principal);
    if (known?.listed === true) return known;
    const id = known?.id ?? peerId(principal);
    let use = this.#listed.get(id);
    if (use === undefined) {
      use = known ?? new PeerUse(id, peerName(principal), new BucketKey(this.#hash.of(id)));
      this.#enter(use, nowMs);
    }
    this.#met.set(principal, use);
    return use;
  }

  /** The busiest first. */
  busiest(count: number, nowMs: number): readonly PeerUseView[] {
    return [...this.#listed.values()]
      .map((use) => ({
        peer: use.name,
        callsPerSecond: Math.round(use.perSecond(nowMs) * 10) / 10,
        calls: use.calls,
        refused: use.refused,
        inFlight: use.inFlight,
      }))
      .sort((a, b) => b.callsPerSecond - a.callsPerSecond || b.calls - a.calls)
      .slice(0, count);
  }

  /** With every peer in a call there may be more for a moment: calls in flight have a limit of their own. */
  #enter(use: PeerUse, nowMs: number): void {
    if (this.#listed.size >= MAX_PEERS) {
      let quietest: PeerUse | undefined;
      for (const other of this.#listed.values()) {
        if (other.inFlight > 0) continue;
        if (quietest === undefined || other.perSecond(nowMs) < quietest.perSecond(nowMs)) {
          quietest = other;
        }
      }
      if (quietest !== undefined) {
        quietest.listed = false;
        this.#listed.delete(quietest.id);
      }
    }
    use.listed = true;
    this.#listed.set(use.id, use);
  }
}

function peerId(peer: Principal): string {
  const { certificate, cn, spiffeId } = peer;
  if (!peer.verified || certificate === undefined) return `address ${hostKey(peer)}`;
  // a trust domain can vouch for what is another's, and must not spend that one's tokens
  if (spiffeId !== undefined) return `${peer.trustDomains.join(" ")} ${spiffeId}`;
  // the length keeps a name that looks like another and its issuer apart from those
  if (cn !== "") {
    return `cn ${cn.length} ${cn} ${peer.trustDomains.join(" ")} ${certificate.issuer}`;
  }
  return `sha256 ${certificate.fingerprint}`;
}

function peerName(peer: Principal): string {
  const { certificate, cn, spiffeId } = peer;
  if (!peer.verified || certificate === undefined) return hostKey(peer);
  if (spiffeId !== undefined) return spiffeId;
  if (cn !== "") return `CN=${cn}, issued by ${certificate.issuer}`;
  return `sha256:${certificate.fingerprint}`;
}

/** `remote` is `host:port`, an IPv6 host in brackets. */
function hostKey({ remote }: Principal): string {
  return addressKey(remote.slice(0, remote.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1"));
}

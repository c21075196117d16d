/**
 * One place that a CRL comes from, and what is known about it: a file that is looked at, or a URL that is
 * asked. It keeps the last good copy on disk, so that a restart without network begins where it was, and
 * so that numbers can't go back across a restart. It says when it is due, and rests for nobody: whoever
 * asks keeps the pauses.
 */
import { createHash } from "node:crypto";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { BlobCache } from "../host/blob-cache.ts";
import type { Clock } from "../host/clock.ts";
import type { Files } from "../host/files.ts";
import type { Random } from "../host/random.ts";
import type { CrlInForce, CrlShelf } from "../identity/revocation/crl-shelf.ts";
import { readCrlText } from "../identity/revocation/crl-text.ts";
import { freshnessOf } from "../identity/revocation/freshness.ts";
import type { IssuerPool } from "../identity/revocation/issuer-pool.ts";
import { refusalCause, refusalFix, refuse } from "../identity/revocation/refusal.ts";
import { formatMoment } from "../identity/span-words.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { FetchFailure, FetchMark, HttpFetch } from "./http-fetch.ts";

export interface CrlSourceParts {
  readonly pool: IssuerPool;
  readonly shelf: CrlShelf;
  readonly http: Pick<HttpFetch, "fetch">;
  readonly files: Files;
  /** `undefined`: nothing survives a restart. */
  readonly cache: BlobCache | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  time(): TimeView;
  /** Bytes. */
  maxBytes(): number;
  /** How often a URL is asked, and a file is looked at. */
  refreshMs(): number;
  readonly fileIntervalMs: number;
}

const MIN_REFRESH_MS = 1_000;
/**
 * A list is asked for so long before it ends, so that a pause that is under way then does no harm, and up to
 * half as long again, so that not all who have the list ask in the same second.
 */
const AHEAD_MS = 30 * 60_000;
/** However long a server asks us to stay away. */
const MAX_REST_MS = 30 * 60_000;
const FETCH_TIMEOUT_MS = 30_000;
/** A copy that says the same about everybody is written again only after this: flash wears out. */
const REWRITE_MS = 3_600_000;

export interface Looked {
  /** Whether something new is in force. */
  readonly news: boolean;
  /** Why it gave nothing; `undefined` when it did. */
  readonly error?: unknown;
}

export class CrlSource {
  readonly name: string;
  readonly #parts: CrlSourceParts;
  readonly #isUrl: boolean;
  /** What it gave last. */
  inForce: readonly CrlInForce[] = [];
  /** Why the last try gave nothing; `undefined` when it did. */
  fault: string | undefined;
  /** Of the last try that gave something, Unix ms. */
  checkedAt: number | undefined;
  /** Monotonic ms. */
  dueAt = 0;
  #version: string | undefined;
  #mark: FetchMark | undefined;
  /** Monotonic ms until which the server wants to be left alone, and what it said. */
  #rest: { readonly untilMs: number; readonly error: unknown } | undefined;
  #told: string | undefined;
  #toldStale: string | undefined;
  #written: { readonly atMs: number; readonly counts: string; readonly digest: string } | undefined;

  constructor(name: string, parts: CrlSourceParts) {
    this.name = name;
    this.#parts = parts;
    this.#isUrl = isUrl(name);
  }

  get cacheName(): string {
    return `crl-${createHash("sha256").update(this.name).digest("hex").slice(0, 24)}.der`;
  }

  /** Puts the kept copy in force. Never rejects. */
  async recall(): Promise<boolean> {
    const { cache, maxBytes } = this.#parts;
    try {
      const bytes = await cache?.read(this.cacheName, maxBytes());
      if (bytes === undefined) return false;
      const news = await this.#take(bytes, `${this.name} (kept copy)`);
      this.#written = { atMs: this.#parts.clock.monotonicMs(), ...this.#sumOf(bytes) };
      return news;
    } catch (error) {
      this.#tell(`the kept copy can't be used: ${errorText(error)}`, error);
      return false;
    }
  }

  /** The kept copy was compared with its place so long ago, by a process before this one. @param agoMs Ms. */
  askedBefore(agoMs: number): void {
    const { clock, refreshMs } = this.#parts;
    if (!this.#isUrl || this.inForce.length === 0 || agoMs >= refreshMs()) return;
    // A clock that went back since: at most a period is waited.
    const leftMs = Math.min(refreshMs(), refreshMs() - agoMs, this.#untilStale(refreshMs()));
    this.dueAt = clock.monotonicMs() + leftMs;
  }

  /** Looks once. Never rejects. @param asked Whether it is to be read even if it has not changed. */
  async look(asked: boolean, signal: AbortSignal): Promise<Looked> {
    const { clock, refreshMs, fileIntervalMs } = this.#parts;
    try {
      this.#assertRested();
      const bytes = this.#isUrl ? await this.#fetch(asked, signal) : await this.#read(asked);
      const news = bytes === undefined ? false : await this.#take(bytes, this.name);
      if (bytes !== undefined) await this.#keep(bytes);
      if (bytes !== undefined || this.fault === undefined || this.#isUrl) this.#good();
      const waitMs = this.#isUrl ? this.#untilStale(refreshMs()) : fileIntervalMs;
      this.dueAt = clock.monotonicMs() + waitMs;
      this.#tellStale();
      return { news };
    } catch (error) {
      if (signal.aborted) return { news: false };
      this.dueAt = clock.monotonicMs() + (this.#isUrl ? 0 : fileIntervalMs);
      this.#mark = undefined;
      this.#tell(errorText(error), error);
      this.#tellStale();
      this.#restFor(error);
      return { news: false, error };
    }
  }

  /** How long the server still wants to be left alone, milliseconds. */
  get restMs(): number {
    return Math.max(0, (this.#rest?.untilMs ?? 0) - this.#parts.clock.monotonicMs());
  }

  #assertRested(): void {
    if (this.#rest === undefined) return;
    if (this.restMs > 0) throw this.#rest.error;
    this.#rest = undefined;
  }

  #restFor(error: unknown): void {
    const { retryAfterMs = 0 } = (error ?? {}) as FetchFailure;
    if (retryAfterMs <= 0 || this.restMs > 0) return;
    const untilMs = this.#parts.clock.monotonicMs() + Math.min(retryAfterMs, MAX_REST_MS);
    this.#rest = { untilMs, error };
  }

  async #read(asked: boolean): Promise<Uint8Array | undefined> {
    const { files, maxBytes } = this.#parts;
    const { version, sizeBytes } = await this.#state();
    if (!asked && version === this.#version) return undefined;
    this.#version = version;
    if (sizeBytes > maxBytes()) throw refuse("too-large", `it is larger than ${maxBytes()} bytes`);
    const bytes = await files.read(this.name, maxBytes());
    // written to while it was read: the next look will see it whole
    if ((await this.#state()).version !== version) {
      this.#version = undefined;
      return undefined;
    }
    return bytes;
  }

  async #state() {
    try {
      return await this.#parts.files.state(this.name);
    } catch (error) {
      this.#version = undefined;
      throw refuse("fetch", `the file can't be read: ${errorText(error)}`, error);
    }
  }

  async #fetch(asked: boolean, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const reply = await this.#parts.http.fetch(
      {
        url: this.name,
        known: asked || this.inForce.length === 0 ? undefined : this.#mark,
        maxBytes: this.#parts.maxBytes(),
        timeoutMs: FETCH_TIMEOUT_MS,
      },
      signal,
    );
    if (reply.kind === "unchanged") return undefined;
    this.#mark = reply.mark;
    return reply.bytes;
  }

  async #take(bytes: Uint8Array, place: string): Promise<boolean> {
    const { crls, certificates } = readCrlText(bytes);
    this.#parts.pool.offer(certificates);
    const taken: CrlInForce[] = [];
    let news = false;
    for (const der of crls) {
      const { crl, changed } = await this.#parts.shelf.put(der, this.name);
      taken.push(crl);
      if (!changed) continue;
      news = true;
      this.#parts.log.emit("revocation.crl.loaded", {
        source: place,
        issuer: crl.issuer.certificate.summary.subject,
        number: crl.number?.toString(),
        this_update: formatMoment(crl.thisUpdate),
        next_update: formatMoment(crl.nextUpdate),
        revoked: crl.serials.count,
        bytes: crl.serials.bytes,
      });
    }
    this.inForce = taken;
    return news;
  }

  /** A disk that can't be written costs the copy, not the service: it is told and tried again. */
  async #keep(bytes: Uint8Array): Promise<void> {
    const { cache, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    const sum = this.#sumOf(bytes);
    const written = this.#written;
    if (cache === undefined || this.inForce.length === 0 || written?.digest === sum.digest) return;
    if (written !== undefined && written.counts === sum.counts && nowMs - written.atMs < REWRITE_MS)
      return;
    try {
      await cache.write(this.cacheName, bytes);
      this.#written = { atMs: nowMs, ...sum };
    } catch (error) {
      const reason = `the copy can't be kept in ${cache.place}: ${errorText(error)}`;
      const fix = "check the free space and the permissions of revocation.cache_dir";
      this.#parts.log.emit("revocation.source.failed", {
        source: this.name,
        cause: "cache",
        reason,
        fix,
      });
    }
  }

  #sumOf(bytes: Uint8Array): { readonly counts: string; readonly digest: string } {
    const counts = this.inForce.map(({ serials, issuer }) => `${issuer.key} ${serials.count}`);
    return { counts: counts.join(), digest: createHash("sha256").update(bytes).digest("hex") };
  }

  /** A list that ends before the next look is asked for some time before, and again when it ends. */
  #untilStale(refreshMs: number): number {
    const { time, random } = this.#parts;
    const nowMs = time().nowMs;
    const aheadMs = Math.round(AHEAD_MS * (1 + random.draw() / 2));
    const left = this.inForce
      .map(({ nextUpdate }) => nextUpdate - nowMs)
      .filter((ms) => ms > 0)
      .map((ms) => (ms > 2 * AHEAD_MS ? ms - aheadMs : ms));
    return Math.max(MIN_REFRESH_MS, Math.min(refreshMs, ...left));
  }

  /** Once per list. */
  #tellStale(): void {
    for (const { issuer, nextUpdate } of this.inForce) {
      const validity = { thisUpdate: 0, nextUpdate };
      const { state, words } = freshnessOf(validity, this.#parts.time());
      const key = `${issuer.key} ${nextUpdate}`;
      if (state !== "stale" || this.#toldStale === key) continue;
      this.#toldStale = key;
      const fields = { source: this.name, issuer: issuer.certificate.summary.subject };
      this.#parts.log.emit("revocation.source.stale", { ...fields, reason: words });
    }
  }

  #good(): void {
    this.fault = undefined;
    this.#told = undefined;
    this.checkedAt = this.#parts.clock.now();
  }

  /** Once per reason: a source that stays bad is not news. */
  #tell(reason: string, error: unknown): void {
    this.fault = reason;
    if (this.#told === reason) return;
    this.#told = reason;
    const cause = refusalCause(error);
    const event = cause === "fetch" ? "revocation.source.failed" : "revocation.source.refused";
    const fix = refusalFix(cause);
    this.#parts.log.emit(event, { source: this.name, cause, reason, fix });
  }
}

export function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}

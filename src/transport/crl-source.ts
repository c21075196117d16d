/**
 * One place that a CRL comes from, and what is known about it: a file that is looked at, or a URL that is
 * asked. It keeps the last good copy on disk, so that a restart without network begins where it was, and
 * so that numbers can't go back across a restart.
 */
import { createHash } from "node:crypto";
import { type BackoffPolicy, backoffMs } from "../base/backoff.ts";
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
import type { FetchMark, HttpFetch } from "./http-fetch.ts";

export interface CrlSourceParts {
  readonly pool: IssuerPool;
  readonly shelf: CrlShelf;
  readonly http: HttpFetch;
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

const RETRY: BackoffPolicy = { baseMs: 5_000, capMs: 600_000 };
const MIN_REFRESH_MS = 1_000;
const FETCH_TIMEOUT_MS = 30_000;
/** A copy that says the same about everybody is written again only after this: flash wears out. */
const REWRITE_MS = 3_600_000;

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
  #failures = 0;
  #told: string | undefined;
  #toldStale: string | undefined;
  #written: { readonly atMs: number; readonly counts: string } | undefined;

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
      return await this.#take(bytes, `${this.name} (kept copy)`);
    } catch (error) {
      this.#tell(`the kept copy can't be used: ${errorText(error)}`, error);
      return false;
    }
  }

  /** Looks once, asked or due. Never rejects; whether something new is in force. */
  async look(asked: boolean, signal: AbortSignal): Promise<boolean> {
    const { clock, random, refreshMs, fileIntervalMs } = this.#parts;
    try {
      const bytes = this.#isUrl ? await this.#fetch(asked, signal) : await this.#read(asked);
      const changed = bytes === undefined ? false : await this.#take(bytes, this.name);
      if (bytes !== undefined) await this.#keep(bytes);
      if (bytes !== undefined || this.fault === undefined || this.#isUrl) this.#good();
      const waitMs = this.#isUrl ? this.#untilStale(refreshMs()) : fileIntervalMs;
      this.dueAt = clock.monotonicMs() + waitMs;
      this.#tellStale();
      return changed;
    } catch (error) {
      if (signal.aborted) return false;
      this.#failures += 1;
      const waitMs = Math.max(1_000, backoffMs(RETRY, this.#failures, random.draw()));
      this.dueAt =
        clock.monotonicMs() + (this.#isUrl ? Math.min(waitMs, refreshMs()) : fileIntervalMs);
      this.#mark = undefined;
      this.#tell(errorText(error), error);
      this.#tellStale();
      return false;
    }
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
    const counts = this.inForce
      .map(({ serials, issuer }) => `${issuer.key} ${serials.count}`)
      .join();
    const written = this.#written;
    if (cache === undefined || this.inForce.length === 0) return;
    if (written !== undefined && written.counts === counts && nowMs - written.atMs < REWRITE_MS)
      return;
    try {
      await cache.write(this.cacheName, bytes);
      this.#written = { atMs: nowMs, counts };
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

  /** A list that ends before the next look is asked for again when it ends. */
  #untilStale(refreshMs: number): number {
    const nowMs = this.#parts.time().nowMs;
    const left = this.inForce.map(({ nextUpdate }) => nextUpdate - nowMs).filter((ms) => ms > 0);
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
    this.#failures = 0;
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

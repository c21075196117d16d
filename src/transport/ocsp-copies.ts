/**
 * The last OCSP answers on disk, so that a restart without network begins with them. Each is verified again
 * when its certificate comes: what is on disk is taken for nothing more than bytes.
 */
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { BlobCache } from "../host/blob-cache.ts";
import type { Clock } from "../host/clock.ts";

export interface OcspCopy {
  /** Responder. */
  readonly source: string;
  readonly der: Uint8Array;
  readonly revoked: boolean;
}

export interface OcspCopiesParts {
  /** `undefined`: nothing is kept. */
  readonly cache: BlobCache | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

const NAME = "ocsp.json";
const MAX_COPIES = 64;
const MAX_COPY_BYTES = 4_096;
const MAX_FILE_BYTES = 1024 * 1024;
/** Good answers are written again only after this: flash wears out. */
const REWRITE_MS = 3_600_000;

export class OcspCopies {
  readonly #parts: OcspCopiesParts;
  /** Last taken at the end. */
  readonly #copies = new Map<string, OcspCopy>();
  #writtenAt: number | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: OcspCopiesParts) {
    this.#parts = parts;
  }

  /** Reads them all. Never rejects: what can't be read is told and begun anew. */
  async recall(): Promise<void> {
    try {
      const bytes = await this.#parts.cache?.read(NAME, MAX_FILE_BYTES);
      if (bytes === undefined) return;
      const rows = JSON.parse(new TextDecoder().decode(bytes)) as unknown;
      for (const row of Array.isArray(rows) ? (rows as unknown[]).slice(0, MAX_COPIES) : []) {
        const { print, source, der, revoked } = row as Record<string, unknown>;
        if (typeof print !== "string" || typeof source !== "string" || typeof der !== "string")
          continue;
        this.#copies.set(print, {
          source,
          der: Buffer.from(der, "base64"),
          revoked: revoked === true,
        });
      }
    } catch (error) {
      this.#tell("the kept OCSP answers can't be read", error);
    }
  }

  /** @param fingerprint Of the certificate. */
  get(fingerprint: string): OcspCopy | undefined {
    return this.#copies.get(fingerprint);
  }

  forget(fingerprint: string): void {
    this.#copies.delete(fingerprint);
  }

  /**
   * Keeps an answer; a revocation is on disk soon.
   *
   * @param rewriteMs A good one waits so long after the write before it; default an hour.
   */
  put(fingerprint: string, copy: OcspCopy, rewriteMs: number = REWRITE_MS): void {
    if (this.#parts.cache === undefined || copy.der.length > MAX_COPY_BYTES) return;
    const known = this.#copies.get(fingerprint)?.revoked === copy.revoked;
    this.#copies.delete(fingerprint);
    if (this.#copies.size >= MAX_COPIES && !this.#makeRoom()) return;
    this.#copies.set(fingerprint, copy);
    const nowMs = this.#parts.clock.monotonicMs();
    const due = this.#writtenAt === undefined || nowMs - this.#writtenAt >= rewriteMs;
    if (!due && (known || !copy.revoked)) return;
    this.#writtenAt = nowMs;
    this.#writing = this.#writing.then(() => this.#write());
  }

  /** Resolves when what was begun is on disk. */
  get written(): Promise<void> {
    return this.#writing;
  }

  /** Revoked ones stay. */
  #makeRoom(): boolean {
    for (const [fingerprint, { revoked }] of this.#copies) {
      if (!revoked) return this.#copies.delete(fingerprint);
    }
    return false;
  }

  async #write(): Promise<void> {
    const rows = [...this.#copies].map(([print, { source, der, revoked }]) => ({
      print,
      source,
      revoked,
      der: Buffer.from(der).toString("base64"),
    }));
    try {
      await this.#parts.cache?.write(NAME, new TextEncoder().encode(JSON.stringify(rows)));
    } catch (error) {
      this.#tell("OCSP answers can't be kept", error);
    }
  }

  #tell(what: string, error: unknown): void {
    const source = this.#parts.cache?.place ?? "";
    const fix = "check the free space and the permissions of revocation.cache_dir";
    const reason = `${what}: ${errorText(error)}`;
    this.#parts.log.emit("revocation.source.failed", { source, cause: "cache", reason, fix });
  }
}

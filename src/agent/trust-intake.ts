/**
 * Where signed trust updates come from by themselves: a file that appears (USB) and a URL. What is read is
 * not believed before its signature is, so any file and any server will do.
 */
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock, Timer } from "../host/clock.ts";
import type { Files } from "../host/files.ts";
import { MAX_CHAIN_CHARACTERS } from "../rotation/trust-update.ts";
import type { HttpFetch } from "../transport/http-fetch.ts";

export interface TrustIntakeParts {
  /** Resolves to what became of it; `undefined` when it was refused. */
  readonly updates: { offer(text: string, source: string): Promise<object | undefined> };
  readonly file: string | undefined;
  readonly url: string | undefined;
  readonly files: Files;
  readonly http: Pick<HttpFetch, "fetch">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Somebody stands there with the stick. */
const FILE_MS = 60_000;
/** What was refused may count later: there is a certificate by then, or space on the disk, or the time is known. */
const FILE_AGAIN_MS = 900_000;
const URL_MS = 86_400_000;
/**
 * After a fetch that failed, or that brought what does not count (the page of a captive portal): who was away
 * for a change of roots is to be back within the hour.
 */
const URL_AGAIN_MS = 900_000;
const FETCH_TIMEOUT_MS = 30_000;

export class TrustIntake implements AsyncDisposable {
  readonly #parts: TrustIntakeParts;
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  #version: string | undefined;
  /** When a file that was refused is read again though it is the same, monotonic ms. */
  #readAt = Number.POSITIVE_INFINITY;
  /** Monotonic ms. */
  #fetchAt = 0;
  /** By source. */
  readonly #told = new Map<string, string>();

  constructor(parts: TrustIntakeParts) {
    this.#parts = parts;
  }

  /** Looks now, and from now on. */
  start(): void {
    const { file, url } = this.#parts;
    if (file === undefined && url === undefined) return;
    this.#looking = this.#look().finally(() => {
      if (this.#stop.signal.aborted) return;
      const delayMs = file === undefined ? URL_AGAIN_MS : FILE_MS;
      this.#timer = this.#parts.clock.setTimer(delayMs, () => this.start());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the agent is stopping"));
    this.#timer?.cancel();
    await this.#looking;
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    await this.#lookAtFile();
    await this.#lookAtUrl();
  }

  async #lookAtFile(): Promise<void> {
    const { file, files, updates, clock } = this.#parts;
    if (file === undefined) return;
    try {
      const { version } = await files.state(file);
      if (version === this.#version && clock.monotonicMs() < this.#readAt) return;
      const bytes = await files.read(file, MAX_CHAIN_CHARACTERS);
      this.#version = version;
      const outcome = await updates.offer(new TextDecoder().decode(bytes), file);
      const refused = outcome === undefined;
      this.#readAt = refused ? clock.monotonicMs() + FILE_AGAIN_MS : Number.POSITIVE_INFINITY;
    } catch (error) {
      // Mostly the stick is not there.
      if (!isMissing(error)) this.#tell(file, error);
      this.#version = undefined;
    }
  }

  async #lookAtUrl(): Promise<void> {
    const { url, http, updates, clock } = this.#parts;
    if (url === undefined || clock.monotonicMs() < this.#fetchAt) return;
    const request = { url, maxBytes: MAX_CHAIN_CHARACTERS, timeoutMs: FETCH_TIMEOUT_MS };
    try {
      const reply = await http.fetch(request, this.#stop.signal);
      const outcome =
        reply.kind === "body"
          ? await updates.offer(new TextDecoder().decode(reply.bytes), url)
          : reply;
      this.#fetchAt = clock.monotonicMs() + (outcome === undefined ? URL_AGAIN_MS : URL_MS);
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#tell(url, error);
      this.#fetchAt = clock.monotonicMs() + URL_AGAIN_MS;
    }
  }

  /** Once per reason. */
  #tell(source: string, error: unknown): void {
    const reason = errorText(error);
    if (this.#told.get(source) === reason) return;
    this.#told.set(source, reason);
    this.#parts.log.emit("trust.update.refused", { source, reason });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

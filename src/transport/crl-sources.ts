/**
 * All places that CRLs come from: those of the configuration, and the distribution points of peers whose
 * chain was found good. Each is looked at when it is due; nothing waits for the network.
 */
import type { Timer } from "../host/clock.ts";
import { MAX_TIMER_MS } from "../host/clock.ts";
import { CrlSource, type CrlSourceParts, isUrl } from "./crl-source.ts";

/** Distribution points that are followed beside the configured ones. */
const MAX_FOLLOWED = 8;

export class CrlSources implements AsyncDisposable {
  readonly #parts: CrlSourceParts;
  readonly #onNews: () => void;
  readonly #configured = new Map<string, CrlSource>();
  readonly #followed = new Map<string, CrlSource>();
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #asked = false;

  /** @param onNews Called after each CRL that came into force. */
  constructor(parts: CrlSourceParts, onNews: () => void) {
    this.#parts = parts;
    this.#onNews = onNews;
  }

  all(): readonly CrlSource[] {
    return [...this.#configured.values(), ...this.#followed.values()];
  }

  /**
   * The configured sources from now on. Resolves when kept copies and files are in force; URLs are asked
   * meanwhile and not waited for.
   */
  async configure(names: readonly string[]): Promise<void> {
    for (const name of [...this.#configured.keys()]) {
      if (!names.includes(name)) this.#configured.delete(name);
    }
    const fresh = names.filter((name) => !this.#configured.has(name));
    for (const name of fresh) {
      this.#followed.delete(name);
      const source = new CrlSource(name, this.#parts);
      this.#configured.set(name, source);
    }
    this.#parts.shelf.retain(new Set(this.all().map(({ name }) => name)));
    await this.#inTurn(async () => {
      for (const name of fresh) {
        const source = this.#configured.get(name);
        if (source === undefined) continue;
        if (await source.recall()) this.#onNews();
        if (!isUrl(name)) await this.#look(source, true);
      }
    });
    this.#schedule();
  }

  /** Follows the distribution points of a peer whose chain is good. */
  follow(urls: readonly string[]): void {
    for (const url of urls) {
      const known = this.#configured.has(url) || this.#followed.has(url);
      if (known || this.#followed.size >= MAX_FOLLOWED) continue;
      const source = new CrlSource(url, this.#parts);
      this.#followed.set(url, source);
      void this.#inTurn(async () => {
        if (await source.recall()) this.#onNews();
      }).then(() => this.#schedule());
    }
  }

  /** Looks at every file now, and asks every URL, changed or not. Resolves when the files are read. */
  async reload(): Promise<void> {
    await this.#inTurn(async () => {
      for (const source of this.all()) if (!isUrl(source.name)) await this.#look(source, true);
    });
    for (const source of this.all()) {
      // one that is being asked this moment is not asked twice
      if (isUrl(source.name) && source.dueAt !== Infinity) source.dueAt = 0;
    }
    this.#asked = true;
    this.#schedule();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("stopped"));
    this.#timer?.cancel();
  }

  /** One look at files after another. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#running.then(work);
    // whoever asked gets the error; the next in the queue does not
    this.#running = turn.catch(() => undefined);
    return turn;
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const sources = this.all();
    if (sources.length === 0 || this.#stop.signal.aborted) return;
    const { clock } = this.#parts;
    const nextAt = Math.min(...sources.map(({ dueAt }) => dueAt));
    const waitMs = Math.min(MAX_TIMER_MS, Math.max(0, nextAt - clock.monotonicMs()));
    this.#timer = clock.setTimer(waitMs, () => {
      this.#timer = undefined;
      void this.#inTurn(() => this.#lookAtDue()).finally(() => this.#schedule());
    });
  }

  /** Files one after another; URLs each by itself, since a server may hang. */
  async #lookAtDue(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    const asked = this.#asked;
    this.#asked = false;
    const due = this.all().filter(({ dueAt }) => dueAt <= nowMs);
    for (const source of due) {
      if (!isUrl(source.name)) await this.#look(source, false);
      else {
        source.dueAt = Infinity;
        void this.#look(source, asked).finally(() => this.#schedule());
      }
    }
  }

  async #look(source: CrlSource, asked: boolean): Promise<void> {
    const news = await source.look(asked, this.#stop.signal);
    if (news && !this.#stop.signal.aborted) this.#onNews();
  }
}

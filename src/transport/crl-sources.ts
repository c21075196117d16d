/**
 * All places that CRLs come from: those of the configuration, and the distribution points of peers whose
 * chain was found good. Files are looked at when they are due; URLs say when they are due, and whoever keeps
 * the pauses of outgoing work has them asked. Nothing waits for the network.
 */
import { Turns } from "../base/turns.ts";
import { MAX_TIMER_MS, type Timer } from "../host/clock.ts";
import { CrlSource, type CrlSourceParts, isUrl } from "./crl-source.ts";

/** Distribution points that are followed beside the configured ones. */
const MAX_FOLLOWED = 8;
/** Asked at once: each may bring a list of several MiB, and may hang. */
const AT_ONCE = 4;

/** A URL that gave nothing. */
export interface CrlFailure {
  readonly source: string;
  readonly error: unknown;
  /** How long its server wants to be left alone, milliseconds. */
  readonly restMs: number;
}

export interface AskedUrls {
  /** How many were asked. */
  readonly asked: number;
  readonly failures: readonly CrlFailure[];
}

/** Told of what whoever uses the sources has to act on. */
export interface CrlSourcesEvents {
  /** A CRL came into force. */
  news(): void;
  /** Which URLs there are, or when they are due, has changed. @param asked Somebody wants it now. */
  due(asked: boolean): void;
}

export class CrlSources implements AsyncDisposable {
  readonly #parts: CrlSourceParts;
  readonly #events: CrlSourcesEvents;
  readonly #configured = new Map<string, CrlSource>();
  readonly #followed = new Map<string, CrlSource>();
  readonly #stop = new AbortController();
  /** URLs that are being asked. */
  readonly #busy = new Set<CrlSource>();
  /** URLs that are to be read whether they have changed or not. */
  readonly #asked = new Set<CrlSource>();
  #timer: Timer | undefined;
  /** One look at files after another. */
  readonly #looks = new Turns();
  /** When a process before this one asked every URL the last time; monotonic ms, maybe before the start. */
  #askedAt: number | undefined;

  constructor(parts: CrlSourceParts, events: CrlSourcesEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  all(): readonly CrlSource[] {
    return [...this.#configured.values(), ...this.#followed.values()];
  }

  /** When a process before this one asked every URL the last time. @param agoMs Ms; before `configure`. */
  askedBefore(agoMs: number): void {
    this.#askedAt = this.#parts.clock.monotonicMs() - agoMs;
  }

  /** The configured sources from now on. Resolves when kept copies and files are in force. */
  async configure(names: readonly string[]): Promise<void> {
    for (const name of [...this.#configured.keys()]) {
      if (!names.includes(name)) this.#configured.delete(name);
    }
    const fresh = names.filter((name) => !this.#configured.has(name));
    for (const name of fresh) {
      this.#followed.delete(name);
      this.#configured.set(name, new CrlSource(name, this.#parts));
    }
    this.#parts.shelf.retain(new Set(this.all().map(({ name }) => name)));
    await this.#looks.take(async () => {
      for (const name of fresh) {
        const source = this.#configured.get(name);
        if (source === undefined) continue;
        await this.#recall(source);
        if (!isUrl(name)) await this.#look(source, true);
      }
    });
    this.#schedule();
    this.#events.due(false);
  }

  /** Follows the distribution points of a peer whose chain is good. */
  follow(urls: readonly string[]): void {
    for (const url of urls) {
      const known = this.#configured.has(url) || this.#followed.has(url);
      if (known || this.#followed.size >= MAX_FOLLOWED || !isUrl(url)) continue;
      const source = new CrlSource(url, this.#parts);
      this.#followed.set(url, source);
      const recalled = this.#looks.take(() => this.#recall(source));
      void recalled.then(() => this.#events.due(false));
    }
  }

  /** Looks at every file now, and has every URL asked, changed or not. Resolves when the files are read. */
  async reload(): Promise<void> {
    await this.#looks.take(async () => {
      for (const source of this.all()) if (!isUrl(source.name)) await this.#look(source, true);
    });
    for (const source of this.#urls()) {
      // one that is being asked this moment is not asked twice
      if (this.#busy.has(source)) continue;
      source.dueAt = 0;
      this.#asked.add(source);
    }
    this.#schedule();
    if (this.#asked.size > 0) this.#events.due(true);
  }

  /** How long until a URL is due, 0 when one is; `undefined` without any. Milliseconds. */
  urlsDueInMs(): number | undefined {
    const due = this.#urls().map(({ dueAt }) => dueAt);
    if (due.length === 0) return undefined;
    return Math.max(0, Math.min(...due) - this.#parts.clock.monotonicMs());
  }

  /** Asks every URL that is due, a few at once. */
  async askDue(signal: AbortSignal): Promise<AskedUrls> {
    const nowMs = this.#parts.clock.monotonicMs();
    const due = this.#urls().filter((each) => each.dueAt <= nowMs && !this.#busy.has(each));
    const asked = due.length;
    const failures: CrlFailure[] = [];
    const limit = AbortSignal.any([signal, this.#stop.signal]);
    const askOne = async (source: CrlSource): Promise<void> => {
      this.#busy.add(source);
      try {
        const { error } = await this.#look(source, this.#asked.delete(source), limit);
        const { name, restMs } = source;
        if (error !== undefined) failures.push({ source: name, error, restMs });
      } finally {
        this.#busy.delete(source);
      }
    };
    const askOn = async (): Promise<void> => {
      for (let next = due.shift(); next !== undefined; next = due.shift()) {
        if (limit.aborted) return;
        await askOne(next);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, askOn));
    return { asked, failures };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("stopped"));
    this.#timer?.cancel();
  }

  #urls(): readonly CrlSource[] {
    return this.all().filter(({ name }) => isUrl(name));
  }

  async #recall(source: CrlSource): Promise<void> {
    if (await source.recall()) this.#events.news();
    if (this.#askedAt === undefined) return;
    source.askedBefore(this.#parts.clock.monotonicMs() - this.#askedAt);
  }

  /** Of files. */
  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const files = this.#files();
    if (files.length === 0 || this.#stop.signal.aborted) return;
    const { clock } = this.#parts;
    const nextAt = Math.min(...files.map(({ dueAt }) => dueAt));
    const waitMs = Math.min(MAX_TIMER_MS, Math.max(0, nextAt - clock.monotonicMs()));
    this.#timer = clock.setTimer(waitMs, () => {
      this.#timer = undefined;
      void this.#looks.take(() => this.#lookAtFiles()).finally(() => this.#schedule());
    });
  }

  #files(): readonly CrlSource[] {
    return this.all().filter(({ name }) => !isUrl(name));
  }

  async #lookAtFiles(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const source of this.#files()) if (source.dueAt <= nowMs) await this.#look(source, false);
  }

  async #look(source: CrlSource, asked: boolean, signal = this.#stop.signal) {
    const looked = await source.look(asked, signal);
    if (looked.news && !this.#stop.signal.aborted) this.#events.news();
    return looked;
  }
}

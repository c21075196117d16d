/**
 * The bundles of further trust domains, beside a store that keeps only the device's own: files that the
 * policy names, looked at again and again. One that can't be used leaves the last good one in force.
 */
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock, Timer } from "../host/clock.ts";
import type { Files } from "../host/files.ts";
import type { DomainPath } from "../identity/file-source.ts";
import type { DomainBundle } from "../identity/tls-material.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";

const MAX_BYTES = 1024 * 1024;

export interface DomainFilesOptions {
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs: number;
  /** Called with all bundles whenever one of them has changed. */
  readonly onChange: (bundles: readonly DomainBundle[]) => void;
}

export class DomainFiles implements Disposable {
  readonly #options: DomainFilesOptions;
  #paths: readonly DomainPath[] = [];
  readonly #good = new Map<string, DomainBundle>();
  /** What each file was when last read, good or bad. */
  readonly #seen = new Map<string, string>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: DomainFilesOptions) {
    this.#options = options;
  }

  /** These from now on; they are read at the next look. */
  follow(paths: readonly DomainPath[]): void {
    this.#paths = paths;
    this.#seen.clear();
  }

  /** Reads what has changed. Never rejects. @returns What is wrong, in words. */
  async look(): Promise<readonly string[]> {
    const paths = this.#paths;
    const faults: string[] = [];
    let changed = false;
    for (const { name, caPath } of paths) {
      try {
        const { files } = this.#options;
        const { version } = await files.state(caPath);
        if (this.#seen.get(caPath) === version) continue;
        this.#seen.set(caPath, version);
        const pem = new TextDecoder().decode(await files.read(caPath, MAX_BYTES));
        parseTrustBundle(pem);
        changed ||= this.#good.get(name)?.pem !== pem;
        this.#good.set(name, { name, pem });
      } catch (error) {
        const reason = `acl.trust_domain "${name}": ${caPath}: ${errorText(error)}`;
        if (this.#seen.get(`${caPath} fault`) !== reason) {
          this.#options.log.emit("tls.material.refused", { reasons: [reason] });
        }
        this.#seen.set(`${caPath} fault`, reason);
        faults.push(reason);
      }
    }
    const named = new Set(paths.map(({ name }) => name));
    for (const name of [...this.#good.keys()].filter((each) => !named.has(each))) {
      this.#good.delete(name);
      changed = true;
    }
    if (changed && !this.#closed) this.#options.onChange([...this.#good.values()]);
    return faults;
  }

  /** Looks now and from now on. */
  async start(paths: readonly DomainPath[]): Promise<void> {
    this.follow(paths);
    await this.look();
    this.#schedule();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimer(this.#options.intervalMs, () => {
      void this.look().then(() => this.#schedule());
    });
  }
}

/**
 * Certificate, key and trust bundle from three files, watched by polling: `stat` costs microseconds,
 * and works where change notices don't (network mounts, symlink swaps, bind mounts).
 *
 * New files take effect only as a whole set that passes every check: a half-written or mismatched
 * set leaves the old one in force, and is reported once per change, when it has stayed bad for a
 * whole interval (writing a pair takes a moment) or at once when somebody asked for a reload.
 */
import { AgentError, errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock, Timer } from "../host/clock.ts";
import type { Files } from "../host/files.ts";
import {
  checkMaterial,
  domainKey,
  type MaterialReport,
  type MaterialTexts,
} from "./material-check.ts";
import { formatMoment } from "./span-words.ts";
import type { DomainBundle, TlsMaterial, TlsMaterialSource } from "./tls-material.ts";
import { parseTrustBundle } from "./trust-bundle.ts";
import type { Certificate } from "./x509/certificate.ts";

export interface MaterialPaths {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Where the bundle of a further trust domain stands. */
export interface DomainPath {
  readonly name: string;
  readonly caPath: string;
}

export interface FileSourceOptions {
  readonly paths: MaterialPaths;
  /** Default none; {@link FileSource.follow} changes them. */
  readonly trustDomains?: readonly DomainPath[];
  readonly reloadIntervalMs: number;
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Logger;
}

export type ReloadOutcome =
  | { readonly kind: "unchanged" }
  | { readonly kind: "replaced" }
  | { readonly kind: "refused"; readonly reasons: readonly string[] };

/** Ten times what real files need; checked before anything is parsed. Bytes. */
const MAX_BYTES: Readonly<Record<keyof MaterialPaths, number>> = {
  cert: 256 * 1024,
  key: 64 * 1024,
  ca: 1024 * 1024,
};
const ROLES = ["cert", "key", "ca"] as const;

/** One look at the files: what they were (`version`) and what they held. */
interface Look {
  readonly version: string;
  readonly report: MaterialReport;
}

/**
 * Loads the files and begins to watch them.
 *
 * @throws AgentError `ERR_TLS_MATERIAL` with every reason, if they can't be used.
 */
export async function openFileSource(options: FileSourceOptions): Promise<FileSource> {
  const look = await readFiles(options);
  if (look.report.material === undefined) {
    throw new AgentError("ERR_TLS_MATERIAL", look.report.faults.join("; "), {
      fields: { cert: options.paths.cert, key: options.paths.key, ca: options.paths.ca },
    });
  }
  return new FileSource(options, look.version, look.report, look.report.material);
}

export class FileSource implements TlsMaterialSource, AsyncDisposable {
  #options: FileSourceOptions;
  readonly #listeners = new Set<(material: TlsMaterial) => void>();
  #material: TlsMaterial;
  #report: MaterialReport;
  /** Version of the files when last judged, good or bad. */
  #seen: string;
  /** Version of a bad set that was not reported yet. */
  #doubtful: string | undefined;
  #refusal: readonly string[] | undefined;
  /** When the refused certificate begins: looked at again then, though the files stay as they are. Unix ms. */
  #validFrom: number | undefined;
  #timer: Timer | undefined;
  #running: Promise<ReloadOutcome> | undefined;
  #closed = false;

  /** Use {@link openFileSource}. */
  constructor(
    options: FileSourceOptions,
    version: string,
    report: MaterialReport,
    material: TlsMaterial,
  ) {
    this.#options = options;
    this.#seen = version;
    this.#report = report;
    this.#material = material;
    this.#announce();
    this.#schedule();
  }

  get current(): TlsMaterial {
    return this.#material;
  }

  /** Our own certificate, for status and doctor. */
  get leaf(): Certificate | undefined {
    return this.#report.leaf;
  }

  /** What is in force but deserves a look. */
  get warnings(): readonly string[] {
    return this.#report.warnings;
  }

  /** Why the files as they are now are not in force; `undefined` when they are. */
  get refusal(): readonly string[] | undefined {
    return this.#refusal;
  }

  subscribe(listener: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Other trust domains from the next look on; until it has found them good, the old stay in force. */
  follow(trustDomains: readonly DomainPath[]): void {
    this.#options = { ...this.#options, trustDomains };
  }

  /** Looks at the files now, changed or not, and says what came of it. Never rejects. */
  async reload(): Promise<ReloadOutcome> {
    await this.#running;
    return this.#once(true);
  }

  /** Does not wait for a look under way: a disk that hangs must not hold up the end of the agent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#listeners.clear();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimer(this.#options.reloadIntervalMs, () => {
      void this.#once(false).then(() => this.#schedule());
    });
  }

  #once(asked: boolean): Promise<ReloadOutcome> {
    this.#running ??= this.#look(asked).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #look(asked: boolean): Promise<ReloadOutcome> {
    const version = await versionOf(this.#options);
    const begun = this.#validFrom !== undefined && this.#validFrom <= this.#options.clock.now();
    if (!asked && version === this.#seen && this.#doubtful === undefined && !begun) {
      return { kind: "unchanged" };
    }
    const look = await readFiles(this.#options);
    // Written to while being read: the next look will see it whole.
    if (!asked && look.version !== (await versionOf(this.#options))) return { kind: "unchanged" };
    if (this.#closed) return { kind: "unchanged" };
    const reasons = this.#objections(look.report);
    if (reasons.length === 0 && look.report.material !== undefined) {
      return this.#accept(look, look.report.material);
    }
    return this.#refuse(look.version, reasons, asked);
  }

  /** Faults; and dates, where the old set is in date and the new one is not. */
  #objections({ faults, leaf, material }: MaterialReport): readonly string[] {
    this.#validFrom = undefined;
    if (faults.length > 0 || leaf === undefined || material === undefined) return faults;
    const nowMs = this.#options.clock.now();
    const objections: string[] = [];
    const old = this.#report.leaf;
    if (old !== undefined && isInDate(old, nowMs) && !isInDate(leaf, nowMs)) {
      const { notBefore, notAfter } = leaf.summary;
      if (nowMs < notBefore) this.#validFrom = notBefore;
      objections.push(
        `tls.cert: the new certificate is valid from ${formatMoment(notBefore)} to ${formatMoment(notAfter)}, which is not now`,
      );
    }
    const inDate = (pem: string): boolean =>
      parseTrustBundle(pem).some((authority) => isInDate(authority, nowMs));
    if (!inDate(material.trustBundlePem) && inDate(this.#material.trustBundlePem)) {
      objections.push("tls.ca: no authority of the new trust bundle is in date");
    }
    return objections;
  }

  #accept({ version, report }: Look, material: TlsMaterial): ReloadOutcome {
    this.#seen = version;
    const mended = this.#refusal !== undefined;
    this.#doubtful = undefined;
    this.#refusal = undefined;
    this.#report = report;
    if (material.digest === this.#material.digest) {
      // Whoever read of the refusal in the log reads of its end there, too.
      if (mended) this.#announce();
      return { kind: "unchanged" };
    }
    this.#material = material;
    this.#announce();
    for (const listener of [...this.#listeners]) listener(material);
    return { kind: "replaced" };
  }

  #refuse(version: string, reasons: readonly string[], asked: boolean): ReloadOutcome {
    const stayedBad = this.#doubtful === version;
    this.#seen = version;
    this.#doubtful = undefined;
    if (asked || stayedBad) {
      this.#refusal = reasons;
      this.#options.log.emit("tls.material.refused", { reasons, ...this.#options.paths });
    } else {
      this.#doubtful = version;
    }
    return { kind: "refused", reasons };
  }

  #announce(): void {
    const { log } = this.#options;
    const { leaf, warnings } = this.#report;
    log.emit("tls.material.loaded", {
      subject: leaf?.summary.subject,
      issuer: leaf?.summary.issuer,
      serial: leaf?.summary.serial,
      not_after: leaf === undefined ? undefined : formatMoment(leaf.summary.notAfter),
      digest: this.#material.digest,
    });
    for (const warning of warnings) log.emit("tls.material.warning", { reason: warning });
  }
}

function isInDate({ summary }: Certificate, nowMs: number): boolean {
  return summary.notBefore <= nowMs && nowMs <= summary.notAfter;
}

/** Changes whenever one of the files does; a file that is missing counts as a version too. */
async function versionOf({ files, paths, trustDomains = [] }: FileSourceOptions): Promise<string> {
  const all = [...ROLES.map((role) => paths[role]), ...trustDomains.map(({ caPath }) => caPath)];
  const versions = await Promise.all(
    all.map(async (path) => {
      try {
        return (await files.state(path)).version;
      } catch (error) {
        return errorText(error);
      }
    }),
  );
  return versions.join("|");
}

async function readFiles(options: FileSourceOptions): Promise<Look> {
  const { files, paths, clock } = options;
  const version = await versionOf(options);
  const faults: string[] = [];
  const warnings: string[] = [];
  const read = async (
    role: keyof MaterialPaths,
    path = paths[role],
    key = `tls.${role}`,
  ): Promise<string> => {
    try {
      const { sizeBytes, mode } = await files.state(path);
      if (sizeBytes > MAX_BYTES[role]) {
        faults.push(`${key}: ${path} is larger than ${MAX_BYTES[role]} bytes`);
        return "";
      }
      if (role === "key" && (mode & 0o077) !== 0) {
        warnings.push(
          `tls.key: other users may read the key (mode ${mode.toString(8)}); run chmod 600 ${paths.key}`,
        );
      }
      return new TextDecoder().decode(await files.read(path, MAX_BYTES[role]));
    } catch (error) {
      faults.push(`${key}: ${errorText(error)}`);
      return "";
    }
  };
  const trustDomains: DomainBundle[] = [];
  for (const { name, caPath } of options.trustDomains ?? []) {
    trustDomains.push({ name, pem: await read("ca", caPath, domainKey(name)) });
  }
  const texts: MaterialTexts = {
    trustDomains,
    chainPem: await read("cert"),
    keyPem: await read("key"),
    trustBundlePem: await read("ca"),
  };
  if (faults.length > 0) {
    return { version, report: { material: undefined, leaf: undefined, faults, warnings } };
  }
  const report = checkMaterial(texts, clock.now());
  return { version, report: { ...report, warnings: [...warnings, ...report.warnings] } };
}

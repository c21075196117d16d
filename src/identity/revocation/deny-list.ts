/**
 * The local deny list: peers that are refused whatever their authority says. It is bounded, and a list
 * that is too long is refused whole: leaving an entry out would let somebody in. Pure.
 */
import type { Certificate } from "../x509/certificate.ts";
import { spiffeIdFault } from "../x509/spiffe-id.ts";

export type DenyEntry =
  | {
      readonly kind: "serial";
      /** Upper-case hexadecimal without leading zeros. */
      readonly serial: string;
      /** Distinguished name as the agent prints it; `undefined` means any issuer. */
      readonly issuer: string | undefined;
    }
  | { readonly kind: "spiffe"; readonly id: string }
  | { readonly kind: "sha256"; readonly fingerprint: string };

/** Most entries of a list. */
export const MAX_DENY_ENTRIES = 1_024;
export const DENY_FORMS =
  '"serial:HEX", "serial:HEX@ISSUER" (the issuer as status shows it), "spiffe://domain/path" or "sha256:HEX"';

/** Reads one entry; `undefined` when it has none of the {@link DENY_FORMS}. */
export function parseDenyEntry(text: string): DenyEntry | undefined {
  const serial = /^serial:([0-9A-Fa-f:]{1,59})(?:@(\P{Cc}{1,1024}))?$/u.exec(text);
  if (serial !== null) {
    const hex = normalSerial(serial[1] ?? "");
    return hex.length > 40 ? undefined : { kind: "serial", serial: hex, issuer: serial[2] };
  }
  if (text.startsWith("spiffe:")) {
    const rest = text.slice("spiffe:".length);
    const id = rest.startsWith("//")
      ? text
      : rest.startsWith("spiffe://")
        ? rest
        : `spiffe://${rest}`;
    return spiffeIdFault(id) === undefined ? { kind: "spiffe", id } : undefined;
  }
  const print = /^sha256:([0-9A-Fa-f:]{64,95})$/.exec(text)?.[1]?.replaceAll(":", "").toLowerCase();
  return print?.length === 64 ? { kind: "sha256", fingerprint: print } : undefined;
}

export function formatDenyEntry(entry: DenyEntry): string {
  switch (entry.kind) {
    case "serial":
      return `serial:${entry.serial}${entry.issuer === undefined ? "" : `@${entry.issuer}`}`;
    case "spiffe":
      return entry.id;
    case "sha256":
      return `sha256:${entry.fingerprint}`;
  }
}

export interface DenySettings {
  readonly entries: readonly DenyEntry[];
  /** Who must not be locked out by an entry alone: see {@link overrideRecovery}. */
  readonly recovery: readonly DenyEntry[];
  /** Entries count for recovery identities too. */
  readonly overrideRecovery: boolean;
}

export interface DenyMatch {
  /** As configured. */
  readonly entry: string;
  /** The peer is a recovery identity and there is no override: the entry has no effect. */
  readonly spared: boolean;
}

export class DenyList {
  #settings: DenySettings = { entries: [], recovery: [], overrideRecovery: false };
  /** When the certificates end that entries were seen to mean, Unix ms. */
  readonly #ends = new Map<string, number>();

  replace(settings: DenySettings): void {
    if (settings.entries.length > MAX_DENY_ENTRIES) {
      throw new RangeError(`a deny list has at most ${MAX_DENY_ENTRIES} entries`);
    }
    this.#settings = settings;
    const kept = new Set(settings.entries.map(formatDenyEntry));
    for (const entry of this.#ends.keys()) if (!kept.has(entry)) this.#ends.delete(entry);
  }

  get size(): number {
    return this.#settings.entries.length;
  }

  match(certificate: Certificate): DenyMatch | undefined {
    const { entries, recovery, overrideRecovery } = this.#settings;
    const entry = entries.find((each) => means(each, certificate));
    if (entry === undefined) return undefined;
    const text = formatDenyEntry(entry);
    // a SPIFFE ID outlives its certificates; the other kinds mean one certificate
    if (entry.kind !== "spiffe") this.#ends.set(text, certificate.summary.notAfter);
    const spared = !overrideRecovery && recovery.some((each) => means(each, certificate));
    return { entry: text, spared };
  }

  /** Entries whose certificate has expired: they can be taken out. @param nowMs Unix ms. */
  ended(nowMs: number): readonly string[] {
    return [...this.#ends].filter(([, endsAt]) => endsAt < nowMs).map(([entry]) => entry);
  }
}

function means(entry: DenyEntry, { summary, names }: Certificate): boolean {
  switch (entry.kind) {
    case "serial":
      return (
        entry.serial === normalSerial(summary.serial) &&
        (entry.issuer === undefined || entry.issuer === summary.issuer)
      );
    case "spiffe":
      return names.uris.includes(entry.id);
    case "sha256":
      return entry.fingerprint === summary.fingerprint;
  }
}

function normalSerial(hex: string): string {
  return hex
    .replaceAll(":", "")
    .toUpperCase()
    .replace(/^0+(?=.)/, "");
}

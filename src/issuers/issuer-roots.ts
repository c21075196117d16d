/**
 * The roots that may speak for the issuing authority: the one whose fingerprint is pinned, those of a
 * bundle that the operator gave, and those that the authority announced later over a connection that one
 * of these had vouched for. Nothing is ever taken on first use, and none is dropped while it lasts.
 *
 * What was announced is kept in a note of the store together with the pin, and forgotten when another
 * authority is pinned.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { isAgentError } from "../base/errors.ts";
import { IssuerError } from "../identity/issuer.ts";
import { splitPem } from "../identity/pem.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";
import { certificatePem } from "../identity/x509/certificate-builder.ts";

const NOTE = "issuer-roots";
/** An authority has one root, two while it changes them; cross-signed ones may double that. */
const MAX_ROOTS = 8;

export interface IssuerRootsOptions {
  /** SHA-256 of the DER of the root, 64 hexadecimal digits. */
  readonly rootSha256: string | undefined;
  /** Roots that the operator gave as a file, PEM; instead of a fingerprint. */
  readonly bundlePem: string | undefined;
  /** Whether announced roots count; default yes. */
  readonly announced?: boolean;
  readonly notes: Pick<CertificateStore, "readNote" | "writeNote">;
}

/** @throws AgentError `ERR_STORE_*` when the note can't be read; `ERR_CERT_INVALID` for a bad bundle. */
export async function openIssuerRoots(options: IssuerRootsOptions): Promise<IssuerRoots> {
  const given = certificatesOf(options.bundlePem ?? "").map(parseCertificate);
  const pin = pinOf(options.rootSha256, given);
  const all = await readKept(options.notes, pin);
  const { announced = true, rootSha256 } = options;
  const kept = announced ? all : all.filter(({ summary }) => summary.fingerprint === rootSha256);
  return new IssuerRoots(options, pin, given, kept);
}

export class IssuerRoots {
  readonly #options: IssuerRootsOptions;
  readonly #pin: string;
  readonly #roots: Certificate[] = [];

  /** Use {@link openIssuerRoots}. */
  constructor(
    options: IssuerRootsOptions,
    pin: string,
    given: readonly Certificate[],
    kept: readonly Certificate[],
  ) {
    this.#options = options;
    this.#pin = pin;
    this.#add([...given, ...kept]);
  }

  get rootSha256(): string | undefined {
    return this.#options.rootSha256;
  }

  /** Whether anybody can be verified yet; if not, the pinned root has to be fetched. */
  get known(): boolean {
    return this.#roots.length > 0;
  }

  /** PEM, the pinned first; empty while nothing is {@link known}. */
  get pem(): string {
    return this.#roots.map(pemOf).join("");
  }

  get certificates(): readonly Certificate[] {
    return this.#roots;
  }

  /**
   * Takes over the pinned root, whoever sent it; others among `candidates` are passed over.
   *
   * @throws IssuerError `untrusted` when it is not among them.
   */
  async adopt(candidates: readonly Certificate[], where: string): Promise<void> {
    const pinned = candidates.find((each) => this.#isPinned(each));
    if (pinned === undefined) {
      const words =
        candidates.length === 0
          ? `${where} has no root with the fingerprint issuer.root_sha256`
          : `${where} sends another root than the one that issuer.root_sha256 names`;
      throw new IssuerError("ERR_ISSUER_UNTRUSTED", { reason: "untrusted", words });
    }
    this.#add([pinned]);
    await this.#keep();
  }

  /**
   * Adds roots that came over a verified connection.
   *
   * @returns How many are new.
   * @throws AgentError `ERR_STORE_*` when they could not be kept; they count all the same.
   */
  async learn(announced: readonly Certificate[]): Promise<number> {
    if (this.#options.announced === false) return 0;
    const added = this.#add(announced);
    if (added > 0) await this.#keep();
    return added;
  }

  #isPinned({ x509 }: Certificate): boolean {
    const { rootSha256 } = this.#options;
    if (rootSha256 === undefined) return false;
    const expected = Buffer.from(rootSha256, "hex");
    const found = createHash("sha256").update(x509.raw).digest();
    return expected.length === found.length && timingSafeEqual(expected, found);
  }

  #add(certificates: readonly Certificate[]): number {
    let added = 0;
    for (const each of certificates) {
      const known = this.#roots.some(
        ({ summary }) => summary.fingerprint === each.summary.fingerprint,
      );
      // Only roots: an intermediate must not come to stand on its own.
      if (known || !each.ca || !each.selfSigned || this.#roots.length >= MAX_ROOTS) continue;
      this.#roots.push(each);
      added += 1;
    }
    return added;
  }

  async #keep(): Promise<void> {
    const note = { v: 1, pin: this.#pin, roots: this.#roots.map(pemOf) };
    await this.#options.notes.writeNote(NOTE, Buffer.from(JSON.stringify(note)));
  }
}

/** What a note must have been written for. */
function pinOf(rootSha256: string | undefined, given: readonly Certificate[]): string {
  return (
    rootSha256 ??
    given
      .map(({ summary }) => summary.fingerprint)
      .sort()
      .join(",")
  );
}

/** A note that can't be used costs nothing but asking again. */
async function readKept(
  notes: IssuerRootsOptions["notes"],
  pin: string,
): Promise<readonly Certificate[]> {
  try {
    const bytes = await notes.readNote(NOTE);
    if (bytes === undefined) return [];
    const note: unknown = JSON.parse(Buffer.from(bytes).toString());
    const { v, pin: written, roots } = note as Record<string, unknown>;
    if (v !== 1 || written !== pin || !Array.isArray(roots)) return [];
    return roots.filter((each) => typeof each === "string").map(parseCertificate);
  } catch (error) {
    if (error instanceof SyntaxError || isAgentError(error, "ERR_CERT_INVALID")) return [];
    if (isAgentError(error, "ERR_STORE_CORRUPT")) return [];
    throw error;
  }
}

/** The certificates of a PEM text, each as text. */
export function certificatesOf(pem: string): readonly string[] {
  return splitPem(pem)
    .filter(({ label }) => label.endsWith("CERTIFICATE"))
    .map(({ text }) => text);
}

export function pemOf({ x509 }: Certificate): string {
  return certificatePem(x509.raw);
}

/**
 * Certificates by file: the request is written into a directory (of a USB stick, or one that a program
 * carries elsewhere), and the answer is picked up there, whatever it is called. Neither is secret.
 *
 * A request is written under another name first and renamed when it is on the disk, so that nobody takes
 * half of one along; it stays until a certificate for its key was seen. What is picked up must be for the
 * key that asked; everything else in the directory is passed over.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { errorText, isAgentError } from "../base/errors.ts";
import type { StateDisk } from "../host/state-disk.ts";
import { createCertificateRequest } from "../identity/exchange/certificate-request.ts";
import {
  type EnrolmentRequest,
  type Issued,
  type Issuer,
  IssuerError,
  type OwnIdentityForIssuer,
} from "../identity/issuer.ts";
import type { KeyReference, OpenKey } from "../identity/keys/key-provider.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";
import { certificatesOfPkcs7 } from "./certs-only.ts";
import { type AskedNames, askedNames, checkIssued, namesOf, repeated } from "./check-issued.ts";
import { certificatesOf } from "./issuer-roots.ts";
import { requestParts } from "./request-parts.ts";
import { tokenUnused } from "./token-unused.ts";

export interface CertificateRequestFileParts {
  readonly dir: string;
  readonly disk: StateDisk;
  /** Roots that a certificate must chain to, PEM: issuer.roots, else the trust bundle in force. */
  readonly rootsPem: () => string;
  /** The chain in force, PEM; empty for none. */
  readonly ownChainPem: () => string;
}

const ANSWERS = /\.(?:pem|crt|cer|der|p7b|p7c)$/i;
/** Of one answer, bytes; and how many files of a directory are looked into. */
const MAX_BYTES = 256 * 1024;
const MAX_FILES = 100;
/** How soon it makes sense to look again. */
const LOOK_AGAIN_MS = 60_000;

export class CertificateRequestFile implements Issuer {
  readonly kind = "file";
  readonly #parts: CertificateRequestFileParts;

  constructor(parts: CertificateRequestFileParts) {
    this.#parts = parts;
  }

  assertAskable({
    token,
    names,
    csrPem,
  }: Pick<EnrolmentRequest, "token" | "names" | "csrPem">): void {
    if (token !== undefined) throw tokenUnused("a request that is carried by file needs none");
    if (names === undefined && csrPem === undefined) {
      throw new IssuerError("ERR_ISSUER_REFUSED", {
        reason: "unsupported",
        words: "a certificate request needs a name to ask for",
        fix: "set issuer.common_name, issuer.dns_names or issuer.spiffe_id",
        permanent: true,
      });
    }
  }

  async enroll(request: EnrolmentRequest): Promise<Issued> {
    this.assertAskable(request);
    const { key, names, csrPem } = request;
    const csr = (): Promise<string> =>
      csrPem === undefined
        ? createCertificateRequest(key, names ?? { commonName: "", sans: {} })
        : Promise.resolve(csrPem);
    const issued = await this.#exchange(key, csr, names && askedNames(names), undefined);
    return { ...issued, trustBundlePem: this.#parts.rootsPem() };
  }

  async renew(own: OwnIdentityForIssuer): Promise<Issued> {
    const leaf = parseCertificate(own.chainPem);
    const csr = (): Promise<string> => createCertificateRequest(own.key, repeated(leaf));
    return this.#exchange(own.key, csr, namesOf(leaf), leaf);
  }

  async rekey(own: OwnIdentityForIssuer, next: OpenKey): Promise<Issued> {
    const leaf = parseCertificate(own.chainPem);
    const csr = (): Promise<string> => createCertificateRequest(next, repeated(leaf));
    return this.#exchange(next, csr, namesOf(leaf), leaf);
  }

  /** What was brought, else the request, if it does not lie there already. */
  async #exchange(
    key: OpenKey,
    csr: () => Promise<string>,
    names: AskedNames | undefined,
    before: Certificate | undefined,
  ): Promise<Issued> {
    const { dir, rootsPem, ownChainPem } = this.#parts;
    const name = `microedge-${key.reference.spkiSha256.slice(0, 16)}.csr`;
    const entries = await this.#on(() => this.#parts.disk.list(dir), "list");
    const found = await this.#answers(entries, key, before);
    if (found !== undefined) {
      const roots = { certificates: certificatesOf(rootsPem()).map(parseCertificate) };
      const ders = [...found, ...certificatesOf(ownChainPem()).slice(1)];
      const issued = checkIssued(ders, {
        ...{ publicKey: key.publicKey, names, before, roots, where: dir },
      });
      await this.#on(() => this.#removeRequest(entries, name), "remove the request in");
      return { ...issued, answersUs: false };
    }
    if (!(await this.#holds(entries, name, key.reference))) {
      const text = await csr();
      await this.#on(() => this.#write(entries, name, text), "write the request to");
    }
    throw new IssuerError("ERR_ISSUER_PENDING", {
      reason: "pending",
      words: `the request ${join(dir, name)} waits for its certificate`,
      fix: `have it signed, and put the certificate into ${dir} as a .crt, .pem or .p7b file`,
      retryAfterMs: LOOK_AGAIN_MS,
    });
  }

  /** All certificates of the file whose newest is for our key, and is not the one in hand. */
  async #answers(
    entries: readonly string[],
    key: OpenKey,
    before: Certificate | undefined,
  ): Promise<readonly Uint8Array[] | undefined> {
    const candidates: { readonly at: number; readonly ders: readonly Uint8Array[] }[] = [];
    for (const name of entries.filter((each) => ANSWERS.test(each)).slice(0, MAX_FILES)) {
      const certificates = await this.#certificatesIn(name);
      const own = certificates.filter(
        ({ publicKey, summary }) =>
          publicKey.equals(key.publicKey) && summary.fingerprint !== before?.summary.fingerprint,
      );
      if (own.length === 0) continue;
      const at = Math.max(...own.map(({ summary }) => summary.notAfter));
      candidates.push({ at, ders: certificates.map(({ x509 }) => x509.raw) });
    }
    return candidates.toSorted((a, b) => b.at - a.at)[0]?.ders;
  }

  /** Empty for what is none, is too large, or is still being copied: it is looked at again. */
  async #certificatesIn(name: string): Promise<readonly Certificate[]> {
    const { disk, dir } = this.#parts;
    let bytes: Uint8Array;
    try {
      bytes = await disk.read(join(dir, name), MAX_BYTES);
    } catch {
      return [];
    }
    try {
      const text = Buffer.from(bytes).toString("latin1");
      if (text.includes("-----BEGIN CERTIFICATE-----")) {
        return certificatesOf(text).map(parseCertificate);
      }
      if (/\.p7[bc]$/i.test(name) || text.includes("-----BEGIN PKCS7-----")) {
        return certificatesOfPkcs7(bytes).map(parseCertificate);
      }
      return [parseCertificate(bytes)];
    } catch (error) {
      if (isAgentError(error)) return [];
      throw error;
    }
  }

  /** Whether a whole request for this key lies there. */
  async #holds(entries: readonly string[], name: string, key: KeyReference): Promise<boolean> {
    if (!entries.includes(name)) return false;
    try {
      const { disk, dir } = this.#parts;
      const text = Buffer.from(await disk.read(join(dir, name), MAX_BYTES)).toString("latin1");
      const digest = createHash("sha256").update(requestParts(text).publicKeyDer).digest("hex");
      return digest === key.spkiSha256;
    } catch {
      return false;
    }
  }

  async #write(entries: readonly string[], name: string, text: string): Promise<void> {
    const { disk, dir } = this.#parts;
    const fresh = `.${name}.new`;
    if (entries.includes(fresh)) await disk.remove(join(dir, fresh));
    {
      await using file = await disk.create(join(dir, fresh));
      await file.write(Buffer.from(text), 0);
      await file.sync();
    }
    // Somebody else has to read it; FAT, as on most sticks, has no modes and says so.
    await disk.setMode(join(dir, fresh), 0o644).catch(() => undefined);
    await disk.rename(join(dir, fresh), join(dir, name));
    await disk.syncDirectory(dir);
  }

  async #removeRequest(entries: readonly string[], name: string): Promise<void> {
    const { disk, dir } = this.#parts;
    if (entries.includes(name)) await disk.remove(join(dir, name));
  }

  async #on<T>(work: () => Promise<T>, what: string): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw new IssuerError("ERR_ISSUER_UNREACHABLE", {
        reason: "unreachable",
        words: `can't ${what} ${this.#parts.dir}: ${errorText(cause)}`,
        fix: "check issuer.csr_dir: the agent's user must be able to write there; plug the stick in",
        cause,
      });
    }
  }
}

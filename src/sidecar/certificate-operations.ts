/**
 * What can be asked of the device's identity: of a running agent over the control socket, or of the
 * certificate store itself while no agent runs. Both answer the same.
 *
 * Times `…At`, `notBefore`, `notAfter` are Unix milliseconds. Private keys and passphrases travel in
 * requests only, over a socket that only the agent's own user can open; no answer holds an open key.
 */
import type { CreatableAlgorithm, KeyAlgorithm } from "../identity/keys/key-provider.ts";
import type { IdentityState } from "../rotation/identity-state.ts";

/** What `status` shows of the device's identity. */
export interface IdentityView {
  readonly source: "files" | "store";
  /** Of the store, from 1; 0 while it is empty, `undefined` with `[tls]` files. */
  readonly generation: number | undefined;
  /** `undefined` with `[tls]` files and in an empty store. */
  readonly state: IdentityState | undefined;
  /** The state for a person: what was tried, and what comes next. */
  readonly words: string | undefined;
  readonly notAfter: number | undefined;
  /** Upper-case hexadecimal. */
  readonly serial: string | undefined;
  readonly spiffeId: string | undefined;
  /** Drawn when the store began. */
  readonly epoch: string | undefined;
  readonly store: StoreView | undefined;
}

export interface StoreView {
  readonly dir: string;
  readonly writable: boolean;
  /** Why it can't be written. */
  readonly fault: string | undefined;
  /** What was repaired when it was opened. */
  readonly healed: readonly string[];
  readonly reserveBytes: number;
  readonly wear: {
    readonly bytesWritten: number;
    readonly syncs: number;
    readonly bytesToday: number;
    readonly budgetBytesPerDay: number;
  };
}

export interface CertificateNames {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly uri: readonly string[];
}

export interface CertificateView {
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  /** SHA-256 of the DER, hexadecimal. */
  readonly sha256: string;
  readonly names: CertificateNames;
  readonly spiffeId: string | undefined;
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface KeyView {
  readonly algorithm: KeyAlgorithm | "unknown";
  /** SHA-256 of the SubjectPublicKeyInfo, hexadecimal. */
  readonly spkiSha256: string;
  /** Where the private key is, in words: `sealed in the store`, a file, a PKCS#11 URI. */
  readonly location: string;
}

export interface GenerationView {
  readonly generation: number;
  readonly role: "current" | "previous" | "next" | "old";
  /** What became of it: `staged`, `unproven`, `trialled`, `bad`. */
  readonly mark: string;
  readonly origin: string;
  readonly createdAt: number;
  readonly digest: string;
  readonly leaf: CertificateView;
  readonly key: KeyView;
  readonly reasons: readonly { readonly code: string; readonly words: string }[];
}

/** What is in force in the running process. */
export interface OwnCertificateView {
  readonly identity: IdentityView;
  readonly leaf: CertificateView;
  /** Subjects of the chain above the leaf. */
  readonly intermediates: readonly string[];
  readonly key: KeyView;
  readonly digest: string;
  /** Where it is shown: `listener 0.0.0.0:8443`, `outbound connections`. Empty when no agent runs. */
  readonly usedBy: readonly string[];
  readonly warnings: readonly string[];
}

export interface ImportRequest {
  /** Certificates in any order, PEM. */
  readonly certificatesPem: string;
  /** Unencrypted, PEM; `undefined` takes the key made by {@link CertificateOperations.createKey}, or the one in force. */
  readonly keyPem: string | undefined;
  /** `undefined` keeps the trust bundle in force. */
  readonly trustPem: string | undefined;
  /** Only say what would come of it. */
  readonly dryRun: boolean;
  /** Take also what fell back before, what is older than the one in force, and another device's name. */
  readonly force: boolean;
}

export interface InstallView {
  readonly identity: IdentityView;
  /** `unchanged`: it was in force already; nothing was written. */
  readonly outcome: "installed" | "unchanged" | "checked";
  /** `undefined` when it was only checked. */
  readonly generation: number | undefined;
  readonly leaf: CertificateView;
  readonly key: KeyView;
  /** What deserves a look all the same. */
  readonly warnings: readonly { readonly code: string; readonly words: string }[];
  /** What was superfluous in the files, in words. */
  readonly notes: readonly string[];
}

export interface EnrolRequest {
  /** One-time token of step-ca. */
  readonly token: string | undefined;
  /** Although the device has an identity already, which is then replaced. */
  readonly again: boolean;
  /** Of the key that is made; default ecdsa-p256. */
  readonly algorithm: CreatableAlgorithm | undefined;
}

export interface EnrolView {
  readonly identity: IdentityView;
  readonly issuer: "step-ca" | "est" | "file";
  readonly generation: number;
  readonly leaf: CertificateView;
  readonly key: KeyView;
  /** What deserves a look all the same. */
  readonly warnings: readonly { readonly code: string; readonly words: string }[];
  /** What the authority gave other than was asked, in words. */
  readonly remarks: readonly string[];
  /** The authority's number for it. */
  readonly requestId: string | undefined;
}

export interface ExportRequest {
  readonly format: "pem" | "pkcs12" | "certificates";
  /** For the private key; not asked for with `certificates`. */
  readonly passphrase: string | undefined;
}

export interface ExportView {
  readonly files: readonly {
    readonly name: string;
    readonly base64: string;
    readonly secret: boolean;
  }[];
}

export interface TrustView {
  readonly authorities: readonly CertificateView[];
  /** Until when authorities that are on their way out still count; `undefined` when there are none. */
  readonly overlapUntil: number | undefined;
  readonly leaving: readonly string[];
}

export interface PendingKeyView extends KeyView {
  /** As given to `key create`; `current` and `previous` for those in force. */
  readonly name: string;
}

export interface CertificateOperations {
  show(): Promise<OwnCertificateView>;
  /**
   * Resolves when it is durable and in force.
   *
   * @throws AgentError `ERR_CERT_REFUSED` with every reason under `reasons`, `ERR_KEY_*`, `ERR_STORE_*`.
   */
  install(request: ImportRequest): Promise<InstallView>;
  /**
   * Has a first certificate made by the configured authority, and puts it in force.
   *
   * @param onStep Told what is being done, as far as it can be seen from here.
   * @throws AgentError `ERR_ENROLLED` for a device that has an identity, `ERR_ISSUER_*`, and as
   *   {@link install}.
   */
  enroll(request: EnrolRequest, onStep?: (words: string) => void): Promise<EnrolView>;
  /** @throws AgentError `ERR_KEY_*` for a key that can't leave its place. */
  export(request: ExportRequest): Promise<ExportView>;
  history(): Promise<readonly GenerationView[]>;
  trust(): Promise<TrustView>;
  /** Replaces the trust bundle; for `overlapMs` the old authorities count as well. */
  replaceTrust(trustPem: string, overlapMs: number): Promise<TrustView>;
  keys(): Promise<readonly PendingKeyView[]>;
  createKey(name: string, algorithm: CreatableAlgorithm): Promise<PendingKeyView>;
}

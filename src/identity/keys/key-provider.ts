/**
 * The port by which the agent makes and uses private keys. Keys sealed in the store fill it now;
 * PKCS#11 and TPM keys will fill the same port, so nothing may assume that private bytes are at hand.
 */
import type { KeyObject } from "node:crypto";

export type KeyAlgorithm = "ecdsa-p256" | "ecdsa-p384" | "ed25519" | "rsa";

/**
 * Names a key without giving it away. It is part of a generation, so that a key and its certificate
 * are written, read and replaced as one.
 */
export interface KeyReference {
  /** Which provider opens it: `sealed` (private bytes sealed in `locator`), later `pkcs11`, `tpm`. */
  readonly provider: string;
  readonly algorithm: KeyAlgorithm;
  /** SHA-256 of the SubjectPublicKeyInfo (RFC 5280, section 4.1), hexadecimal: ties it to a certificate. */
  readonly spkiSha256: string;
  /** What the provider needs to find the key: the sealed bytes in base64, or a PKCS#11 URI (RFC 7512). */
  readonly locator: string;
}

export interface OpenKey {
  readonly reference: KeyReference;
  readonly publicKey: KeyObject;
  /** What Node's TLS takes as `key`. Never logged. */
  readonly tlsKey: string | KeyObject;
  /** Signs `bytes` as the key's algorithm does by default: ECDSA in DER with SHA-256 or -384, Ed25519, RSA PKCS#1 with SHA-256. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
  /**
   * The private key, PKCS#8 DER, for an export that the operator asked for; the caller overwrites it
   * after use.
   *
   * @throws AgentError `ERR_KEY_NOT_EXPORTABLE` when it lies in hardware that keeps it.
   */
  exportPkcs8(): Uint8Array;
}

/** RSA keys are taken over, not made: on small devices making one takes up to minutes. */
export type CreatableAlgorithm = Exclude<KeyAlgorithm, "rsa">;

export interface KeyProvider {
  /** @throws AgentError `ERR_KEY_*`. */
  create(algorithm: CreatableAlgorithm): Promise<KeyReference>;
  /**
   * Takes over a private key, PEM (PKCS#8, SEC 1 or PKCS#1).
   *
   * @param passphrase of an encrypted one.
   * @throws AgentError `ERR_KEY_*`.
   */
  import(privateKeyPem: string, passphrase?: string): Promise<KeyReference>;
  /** @throws AgentError `ERR_KEY_*` when the key is not there, or can't be unsealed. */
  open(reference: KeyReference): Promise<OpenKey>;
}

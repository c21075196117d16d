/**
 * What an import may cost, whoever made the file. Each is checked before the work that it bounds: a key
 * file may ask for a derivation that runs for hours.
 */
import { AgentError } from "../../base/errors.ts";

/** Of one file; chains of ten certificates with RSA-8192 keys stay below 64 KiB. */
export const MAX_IMPORT_FILE_BYTES = 256 * 1024;
/** Files of one import: leaf, intermediates, bundle, key. */
export const MAX_IMPORT_FILES = 16;
/** Certificates of one import, trust bundle included. */
export const MAX_IMPORT_CERTIFICATES = 100;
/** Characters of a passphrase; PKCS#12 repeats it to fill its blocks. */
export const MAX_PASSPHRASE_CHARACTERS = 1024;

/** PBKDF2 iterations: OpenSSL makes 2,048, Java 10,000, careful people 600,000 (OWASP, 2023). */
const MAX_ITERATIONS = 2_000_000;
/** Scrypt memory, 128 * N * r: the agent lives in 64 MiB. RFC 7914 section 2 suggests 16 MiB. */
export const MAX_SCRYPT_BYTES = 32 * 1024 * 1024;
/** Scrypt's p: OpenSSL writes 1, we write 1. */
export const MAX_SCRYPT_LANES = 16;

/** Counts what the derivations of one import cost together. */
export class DerivationBudget {
  #left: number = MAX_ITERATIONS;

  /** @throws AgentError `ERR_IMPORT_INVALID` when `iterations` are more than what is left. */
  spend(iterations: number): void {
    if (Number.isSafeInteger(iterations) && iterations >= 1 && iterations <= this.#left) {
      this.#left -= iterations;
      return;
    }
    throw new AgentError(
      "ERR_IMPORT_INVALID",
      `the file asks for ${iterations} iterations to derive a key; this agent spends ${MAX_ITERATIONS} on one import. Export it again with fewer (openssl pkcs12 -iter 100000)`,
      { fields: { iterations, limit: MAX_ITERATIONS } },
    );
  }
}

/** @throws AgentError `ERR_IMPORT_INVALID` for a file that is empty or too large. */
export function checkFileSize(bytes: Uint8Array, name: string): void {
  if (bytes.length > 0 && bytes.length <= MAX_IMPORT_FILE_BYTES) return;
  throw new AgentError(
    "ERR_IMPORT_INVALID",
    bytes.length === 0
      ? `${name} is empty`
      : `${name} has ${bytes.length} bytes; an import may have ${MAX_IMPORT_FILE_BYTES}`,
    { fields: { bytes: bytes.length } },
  );
}

/** @throws AgentError `ERR_KEY_PASSPHRASE` for one that is too long to be one. */
export function checkPassphrase(passphrase: string): void {
  if (passphrase.length <= MAX_PASSPHRASE_CHARACTERS) return;
  throw new AgentError(
    "ERR_KEY_PASSPHRASE",
    `the passphrase is longer than ${MAX_PASSPHRASE_CHARACTERS} characters`,
  );
}

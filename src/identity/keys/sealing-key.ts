/**
 * Where the 32 octets come from under which private keys are sealed. A port: systemd, a TPM, a token or
 * a file of the device fill it, by configuration.
 */
import { AgentError } from "../../base/errors.ts";

export interface SealingKeySource {
  /** For status and messages: `systemd-credential`, `systemd-creds`, `tpm2`, `pkcs11`, `device-file`. */
  readonly kind: string;
  /** One line for people, with paths and never with the key. */
  readonly description: string;
  /**
   * The 32 octets in a buffer of their own; the caller overwrites it after use.
   *
   * @param mayCreate whether a source that can make its key does so when there is none. `false` where
   *   sealed keys exist already: a new sealing key would hide that the old one is lost.
   * @throws AgentError `ERR_KEY_SEALING_LOST` when there is none, `ERR_KEY_SEALING_WRONG` when it is
   *   another device's, `ERR_KEY_SEALING_INVALID`, `ERR_KEY_SEALING_EXPOSED`, or
   *   `ERR_KEY_SEALING_UNAVAILABLE`.
   */
  read(mayCreate: boolean): Promise<Uint8Array>;
  /**
   * Destroys it, and with it every key that was sealed under it (crypto-shredding); harmless when it is
   * gone already.
   */
  destroy(): Promise<Destruction>;
}

export interface Destruction {
  /** Whether nothing can open the sealed keys any more. */
  readonly complete: boolean;
  /** What is left and who must see to it, in words; `undefined` when complete. */
  readonly remains: string | undefined;
}

export const SEALING_KEY_OCTETS = 32;

/**
 * The 32 octets in what a credential or program gave: raw, or 64 hexadecimal digits and a line end, as
 * `openssl rand -hex 32` writes them. The given bytes are overwritten.
 *
 * @throws AgentError `ERR_KEY_SEALING_INVALID` for anything else.
 */
export function sealingKeyOctets(given: Uint8Array, from: string): Uint8Array {
  try {
    if (given.length === SEALING_KEY_OCTETS) return refuseConstant(Uint8Array.from(given), from);
    const text = Buffer.from(given.buffer, given.byteOffset, given.byteLength).toString("latin1");
    if (/^[0-9A-Fa-f]{64}\r?\n?$/.test(text)) {
      return refuseConstant(Uint8Array.from(Buffer.from(text.slice(0, 64), "hex")), from);
    }
  } finally {
    given.fill(0);
  }
  throw new AgentError(
    "ERR_KEY_SEALING_INVALID",
    `${from} has ${given.length} bytes; a sealing key has 32 random ones, or 64 hexadecimal digits (openssl rand -hex 32)`,
  );
}

/** Zeros, or one octet over and over, is what empty flash and failed programs give. */
function refuseConstant(key: Uint8Array, from: string): Uint8Array {
  if (key.some((octet) => octet !== key[0])) return key;
  throw new AgentError(
    "ERR_KEY_SEALING_INVALID",
    `${from} is one octet repeated, so it was not drawn at random (openssl rand -hex 32)`,
  );
}

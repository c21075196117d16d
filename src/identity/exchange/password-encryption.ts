/**
 * Password-based encryption as key files and PKCS#12 use it: PBES2 (RFC 8018 section 6.2) with PBKDF2
 * or scrypt (RFC 7914), and the old ones of PKCS#12 (RFC 7292 appendix C). The cost that the file asks
 * for is checked before any of it is spent; OpenSSL checks nothing of the kind.
 */
import {
  createCipheriv,
  createDecipheriv,
  pbkdf2 as pbkdf2Callback,
  scrypt as scryptCallback,
} from "node:crypto";
import { promisify } from "node:util";
import { AgentError } from "../../base/errors.ts";
import type { Random } from "../../host/random.ts";
import { DER_TAG } from "../x509/der.ts";
import { DerFields, damaged } from "./der-fields.ts";
import { integer, nothing, octetString, oid, sequence } from "./der-writer.ts";
import { MAX_SCRYPT_BYTES, MAX_SCRYPT_LANES } from "./import-limits.ts";
import { bmpPassword, type DerivationCosts, derivePkcs12, PURPOSE } from "./pkcs12-derivation.ts";
import { decryptRc2Cbc } from "./rc2.ts";

const pbkdf2 = promisify(pbkdf2Callback);
const scrypt = promisify<
  string,
  Uint8Array,
  number,
  { N: number; r: number; p: number; maxmem: number },
  Buffer
>(scryptCallback);

const PBES2 = "1.2.840.113549.1.5.13";
const PBKDF2 = "1.2.840.113549.1.5.12";
const SCRYPT = "1.3.6.1.4.1.11591.4.11";
const HMAC_SHA256 = "1.2.840.113549.2.9";
const AES_256_CBC = "2.16.840.1.101.3.4.1.42";

const HMAC_DIGESTS: Readonly<Record<string, string>> = {
  "1.2.840.113549.2.7": "sha1",
  "1.2.840.113549.2.8": "sha224",
  [HMAC_SHA256]: "sha256",
  "1.2.840.113549.2.10": "sha384",
  "1.2.840.113549.2.11": "sha512",
};
const PBES2_CIPHERS: Readonly<Record<string, { name: string; keyBytes: number }>> = {
  "1.2.840.113549.3.7": { name: "des-ede3-cbc", keyBytes: 24 },
  "2.16.840.1.101.3.4.1.2": { name: "aes-128-cbc", keyBytes: 16 },
  "2.16.840.1.101.3.4.1.22": { name: "aes-192-cbc", keyBytes: 24 },
  [AES_256_CBC]: { name: "aes-256-cbc", keyBytes: 32 },
};
/** RFC 7292 appendix C; the stream cipher RC4 of .1 and .2 is left out. */
const OLD_CIPHERS: Readonly<Record<string, { name: "3des" | "rc2"; keyBytes: number }>> = {
  "1.2.840.113549.1.12.1.3": { name: "3des", keyBytes: 24 },
  "1.2.840.113549.1.12.1.4": { name: "3des", keyBytes: 16 },
  "1.2.840.113549.1.12.1.5": { name: "rc2", keyBytes: 16 },
  "1.2.840.113549.1.12.1.6": { name: "rc2", keyBytes: 5 },
};
const CONVERT =
  "a PKCS#12 file with openssl pkcs12 -legacy -in OLD -nodes | openssl pkcs12 -export -out NEW, a key with openssl pkcs8 -topk8 -provider legacy -provider default -in OLD -out NEW";

/** The text was decrypted to something that can't be right: wrong password, or damaged. */
export class UndecryptableError extends Error {}

/**
 * Decrypts what an AlgorithmIdentifier says how.
 *
 * @param algorithm content of its SEQUENCE.
 * @throws UndecryptableError when the padding is wrong.
 * @throws AgentError `ERR_IMPORT_UNSUPPORTED` for other algorithms, `ERR_IMPORT_INVALID` for
 *   parameters that are malformed or too costly.
 */
export async function decryptWithPassword(
  algorithm: Uint8Array,
  ciphertext: Uint8Array,
  password: string,
  costs: DerivationCosts,
): Promise<Buffer> {
  const fields = new DerFields(algorithm, "the file's encryption");
  const id = fields.oid();
  if (id === PBES2) return decryptPbes2(fields.nested(), ciphertext, password, costs);
  const old = OLD_CIPHERS[id];
  if (old === undefined) throw unsupported(`encryption ${id}`);
  const parameters = fields.nested();
  const salt = parameters.take(DER_TAG.octetString);
  const iterations = parameters.integer();
  const derive = (purpose: 1 | 2, length: number): Promise<Buffer> =>
    derivePkcs12(
      { digest: "sha1", purpose, password: bmpPassword(password), salt, iterations, length },
      costs,
    );
  const key = await derive(PURPOSE.key, old.keyBytes);
  const iv = await derive(PURPOSE.iv, 8);
  try {
    if (old.name === "rc2") return decryptRc2Cbc(key, old.keyBytes, iv, ciphertext);
    // Two-key triple DES is three-key with the first again.
    return decipher(
      "des-ede3-cbc",
      key.length === 16 ? Buffer.concat([key, key.subarray(0, 8)]) : key,
      iv,
      ciphertext,
    );
  } catch (cause) {
    throw new UndecryptableError("decryption failed", { cause });
  } finally {
    key.fill(0);
  }
}

async function decryptPbes2(
  parameters: DerFields,
  ciphertext: Uint8Array,
  password: string,
  costs: DerivationCosts,
): Promise<Buffer> {
  const derivation = parameters.nested();
  const encryption = parameters.nested();
  const cipherId = encryption.oid();
  const cipher = PBES2_CIPHERS[cipherId];
  if (cipher === undefined) throw unsupported(`cipher ${cipherId}`);
  const iv = encryption.take(DER_TAG.octetString);
  if (iv.length !== (cipher.name === "des-ede3-cbc" ? 8 : 16)) {
    throw damaged("the file's encryption", "its IV has the wrong length");
  }
  const key = await derivePbes2(derivation, password, cipher.keyBytes, costs);
  try {
    return decipher(cipher.name, key, iv, ciphertext);
  } catch (cause) {
    throw new UndecryptableError("decryption failed", { cause });
  } finally {
    key.fill(0);
  }
}

async function derivePbes2(
  derivation: DerFields,
  password: string,
  keyBytes: number,
  costs: DerivationCosts,
): Promise<Buffer> {
  const id = derivation.oid();
  const parameters = derivation.nested();
  if (id === PBKDF2) {
    const salt = parameters.take(DER_TAG.octetString);
    const iterations = parameters.integer();
    if (parameters.tag === DER_TAG.integer) parameters.skip(); // keyLength, which the cipher says too
    const hmac = parameters.done ? "1.2.840.113549.2.7" : parameters.nested().oid();
    const digest = HMAC_DIGESTS[hmac];
    if (digest === undefined) throw unsupported(`pseudo-random function ${hmac}`);
    costs.budget.spend(iterations);
    return pbkdf2(password, salt, iterations, keyBytes, digest);
  }
  if (id !== SCRYPT) throw unsupported(`key derivation ${id}`);
  const salt = parameters.take(DER_TAG.octetString);
  const [N, r, p] = [parameters.integer(), parameters.integer(), parameters.integer()];
  checkScrypt(N, r, p);
  costs.budget.spend(Math.ceil((N * r * p) / 8));
  return scrypt(password, salt, keyBytes, { N, r, p, maxmem: 2 * MAX_SCRYPT_BYTES });
}

function checkScrypt(N: number, r: number, p: number): void {
  const powerOfTwo = N > 1 && Number.isInteger(Math.log2(N));
  if (powerOfTwo && r >= 1 && p >= 1 && p <= MAX_SCRYPT_LANES && 128 * N * r <= MAX_SCRYPT_BYTES) {
    return;
  }
  throw new AgentError(
    "ERR_IMPORT_INVALID",
    `the file asks for scrypt with N=${N}, r=${r}, p=${p}; at most ${MAX_SCRYPT_BYTES / 1_048_576} MiB (128*N*r) and p=${MAX_SCRYPT_LANES} are taken. Encrypt it again with openssl pkcs8 -topk8 -scrypt`,
    { fields: { N, r, p } },
  );
}

/** A way to encrypt, and its AlgorithmIdentifier. */
export interface Encryption {
  readonly algorithm: Buffer;
  encrypt(plain: Uint8Array): Buffer;
}

/** What derives the key of an export: scrypt is dearer to guess, PBKDF2 is read by Java too. */
export type ExportDerivation =
  | { readonly kind: "scrypt"; readonly N: number; readonly r: number; readonly p: number }
  | { readonly kind: "pbkdf2"; readonly iterations: number };

/** AES-256-CBC by PBES2 under a key derived from the password, with fresh salt and IV. */
export async function encryptionWithPassword(
  password: string,
  derivation: ExportDerivation,
  random: Random,
): Promise<Encryption> {
  const salt = random.bytes(16);
  const iv = random.bytes(16);
  const { N, r, p } = derivation.kind === "scrypt" ? derivation : { N: 0, r: 0, p: 0 };
  const key =
    derivation.kind === "scrypt"
      ? await scrypt(password, salt, 32, { N, r, p, maxmem: 2 * MAX_SCRYPT_BYTES })
      : await pbkdf2(password, salt, derivation.iterations, 32, "sha256");
  const kdf =
    derivation.kind === "scrypt"
      ? sequence(
          oid(SCRYPT),
          sequence(octetString(salt), integer(N), integer(r), integer(p), integer(32)),
        )
      : sequence(
          oid(PBKDF2),
          sequence(
            octetString(salt),
            integer(derivation.iterations),
            sequence(oid(HMAC_SHA256), nothing()),
          ),
        );
  return {
    algorithm: sequence(oid(PBES2), sequence(kdf, sequence(oid(AES_256_CBC), octetString(iv)))),
    encrypt(plain) {
      const cipher = createCipheriv("aes-256-cbc", key, iv);
      const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
      key.fill(0); // one key, one IV, one text
      return sealed;
    },
  };
}

function decipher(name: string, key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Buffer {
  const cipher = createDecipheriv(name, key, iv);
  return Buffer.concat([cipher.update(ciphertext), cipher.final()]);
}

function unsupported(what: string): AgentError {
  return new AgentError(
    "ERR_IMPORT_UNSUPPORTED",
    `the file uses ${what}, which this agent does not read; convert ${CONVERT}`,
  );
}

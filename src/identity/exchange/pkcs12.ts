/**
 * Reads PKCS#12 (RFC 7292): one private key and certificates, as OpenSSL, Java's keytool, Windows and
 * others write it. The whole is bounded before anything is derived from the password, and read by our
 * own DER reader, which is linear in the input; a general ASN.1 library is slow on hostile files.
 *
 * Integrity: the MAC tells a wrong password from a damaged file where it can be told. It proves no
 * origin, so nothing here is trusted for it: key and certificates are checked like any others.
 */
import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";
import { AgentError } from "../../base/errors.ts";
import { readPkcs8 } from "../keys/private-key.ts";
import { DER_TAG } from "../x509/der.ts";
import { withDefiniteLengths } from "./definite-lengths.ts";
import { DerFields, damaged } from "./der-fields.ts";
import { checkFileSize, checkPassphrase, DerivationBudget } from "./import-limits.ts";
import { decryptWithPassword, UndecryptableError } from "./password-encryption.ts";
import {
  bmpPassword,
  type DerivationCosts,
  type DerivationDigest,
  derivePkcs12,
  PURPOSE,
} from "./pkcs12-derivation.ts";

export interface Pkcs12Content {
  readonly key: KeyObject;
  /** DER, in the file's order. */
  readonly certificates: readonly Uint8Array[];
  readonly remarks: readonly string[];
}

const WHAT = "the PKCS#12 file";
const OID = {
  data: "1.2.840.113549.1.7.1",
  signedData: "1.2.840.113549.1.7.2",
  encryptedData: "1.2.840.113549.1.7.6",
  keyBag: "1.2.840.113549.1.12.10.1.1",
  shroudedKeyBag: "1.2.840.113549.1.12.10.1.2",
  certificateBag: "1.2.840.113549.1.12.10.1.3",
  safeContentsBag: "1.2.840.113549.1.12.10.1.6",
  x509Certificate: "1.2.840.113549.1.9.22.1",
  pbmac1: "1.2.840.113549.1.5.14",
} as const;
const MAC_DIGESTS: Readonly<Record<string, DerivationDigest>> = {
  "1.3.14.3.2.26": "sha1",
  "2.16.840.1.101.3.4.2.4": "sha224",
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
};
const MAC_OCTETS = { sha1: 20, sha224: 28, sha256: 32, sha384: 48, sha512: 64 } as const;
/** Of one file; each costs a derivation, or is a certificate. */
const MAX_BAGS = 200;
const MAX_ENCRYPTED_PARTS = 16;
const MAX_NESTING = 4;

/** Whether DER looks like a PFX: SEQUENCE { INTEGER 3, ... (RFC 7292 section 4). */
export function isPkcs12(bytes: Uint8Array): boolean {
  const length = bytes[1] ?? 0;
  const start = length > 0x80 ? 2 + (length & 0x7f) : 2;
  return bytes[start] === 0x02 && bytes[start + 1] === 0x01 && bytes[start + 2] === 0x03;
}

/**
 * @param password empty for none.
 * @throws AgentError `ERR_KEY_PASSPHRASE` for a wrong password, `ERR_IMPORT_INVALID` for a file that is
 *   damaged or asks for too much, `ERR_IMPORT_UNSUPPORTED` for encryptions that are not read,
 *   `ERR_KEY_INVALID` when it has no private key or several.
 */
export async function readPkcs12(
  bytes: Uint8Array,
  password: string,
  options: { readonly breathe?: () => Promise<void> } = {},
): Promise<Pkcs12Content> {
  checkFileSize(bytes, WHAT);
  checkPassphrase(password);
  const costs: DerivationCosts = { budget: new DerivationBudget(), ...options };
  const pfx = DerFields.ofSequence(withDefiniteLengths(bytes), WHAT);
  if (pfx.integer() !== 3) throw damaged(WHAT, "its version is not 3");
  const content = pfx.nested();
  const kind = content.oid();
  if (kind === OID.signedData) {
    throw unsupported("is signed by a certificate instead of protected by a password");
  }
  if (kind !== OID.data) throw damaged(WHAT, "it holds no data");
  const authenticated = content.nested(0xa0).take(DER_TAG.octetString);
  const mac = pfx.done ? undefined : await checkMac(pfx.nested(), authenticated, password, costs);
  const reader = new SafeReader(password, costs);
  try {
    await reader.readAuthenticated(authenticated);
  } catch (thrown) {
    if (!(thrown instanceof UndecryptableError)) throw thrown;
    // The MAC agreed with the password, or another part of the file opened under it.
    if (mac === true || reader.opened > 0) throw damaged(WHAT, "a part of it can't be decrypted");
    throw wrongPassword(password);
  }
  if (mac === false) {
    if (reader.opened === 0) throw wrongPassword(password);
    throw damaged(WHAT, "the password is right and the content was changed: its MAC differs");
  }
  return contentOf(reader, mac);
}

function contentOf(reader: SafeReader, mac: boolean | undefined): Pkcs12Content {
  const [key, ...others] = reader.keys;
  if (key === undefined) {
    throw new AgentError(
      "ERR_KEY_INVALID",
      "the PKCS#12 file holds no private key; export it with its key (a trust store has none)",
    );
  }
  if (others.length > 0) {
    throw new AgentError(
      "ERR_KEY_INVALID",
      `the PKCS#12 file holds ${others.length + 1} private keys; export one alone (keytool -importkeystore -srcalias NAME)`,
    );
  }
  const remarks = [...reader.remarks];
  if (mac === undefined) remarks.push("it has no MAC, so damage may go unnoticed");
  return { key, certificates: reader.certificates, remarks };
}

/** Whether the MAC over the content fits the password (RFC 7292 section 4 and appendix A). */
async function checkMac(
  macData: DerFields,
  content: Uint8Array,
  password: string,
  costs: DerivationCosts,
): Promise<boolean> {
  const digestInfo = macData.nested();
  const oid = digestInfo.nested().oid();
  const expected = digestInfo.take(DER_TAG.octetString);
  if (oid === OID.pbmac1) throw unsupported("has a MAC of the kind PBMAC1");
  const digest = MAC_DIGESTS[oid];
  if (digest === undefined) throw unsupported(`has a MAC of the kind ${oid}`);
  if (expected.length !== MAC_OCTETS[digest]) throw damaged(WHAT, "its MAC has the wrong length");
  const salt = macData.take(DER_TAG.octetString);
  const iterations = macData.done ? 1 : macData.integer();
  // An empty password is two zero octets to most programs, and nothing at all to a few.
  const spellings = password === "" ? [bmpPassword(""), Buffer.alloc(0)] : [bmpPassword(password)];
  for (const spelling of spellings) {
    const key = await derivePkcs12(
      {
        digest,
        purpose: PURPOSE.mac,
        password: spelling,
        salt,
        iterations,
        length: expected.length,
      },
      costs,
    );
    const actual = createHmac(digest, key).update(content).digest();
    if (actual.length === expected.length && timingSafeEqual(actual, expected)) return true;
  }
  return false;
}

/** Collects what the safes hold, however deep. */
class SafeReader {
  readonly keys: KeyObject[] = [];
  readonly certificates: Uint8Array[] = [];
  readonly remarks: string[] = [];
  /** Encrypted parts that opened under the password. */
  opened = 0;
  readonly #password: string;
  readonly #costs: DerivationCosts;
  #bags = 0;
  #encryptedParts = 0;

  constructor(password: string, costs: DerivationCosts) {
    this.#password = password;
    this.#costs = costs;
  }

  async readAuthenticated(bytes: Uint8Array): Promise<void> {
    const safes = DerFields.ofSequence(bytes, WHAT);
    let undecryptable: UndecryptableError | undefined;
    while (!safes.done) {
      try {
        await this.#readSafe(safes.nested());
      } catch (thrown) {
        // Go on: whether another part opens tells a wrong password from damage.
        if (!(thrown instanceof UndecryptableError)) throw thrown;
        undecryptable = thrown;
      }
    }
    if (undecryptable !== undefined) throw undecryptable;
  }

  async #readSafe(info: DerFields): Promise<void> {
    const kind = info.oid();
    if (kind === OID.data) {
      return this.#readBags(info.nested(0xa0).take(DER_TAG.octetString), 0);
    }
    if (kind !== OID.encryptedData) throw unsupported(`has content of the kind ${kind}`);
    const encrypted = info.nested(0xa0).nested();
    encrypted.integer();
    const part = encrypted.nested();
    part.oid();
    const algorithm = part.take(DER_TAG.sequence);
    return this.#readBags(await this.#decrypt(algorithm, ciphertextOf(part)), 0);
  }

  async #readBags(bytes: Uint8Array, depth: number): Promise<void> {
    if (depth > MAX_NESTING) throw damaged(WHAT, "its safes are nested too deep");
    const bags = DerFields.ofSequence(bytes, WHAT);
    while (!bags.done) {
      if (++this.#bags > MAX_BAGS) throw damaged(WHAT, `it holds more than ${MAX_BAGS} entries`);
      const bag = bags.nested();
      const kind = bag.oid();
      const value = bag.take(0xa0);
      if (kind === OID.certificateBag) this.#addCertificate(value);
      else if (kind === OID.keyBag) this.keys.push(readPkcs8(Buffer.from(value)));
      else if (kind === OID.shroudedKeyBag) await this.#addShroudedKey(value);
      else if (kind === OID.safeContentsBag) await this.#readBags(value, depth + 1);
      else this.remarks.push(`an entry of the kind ${kind} is not needed and was passed over`);
    }
  }

  #addCertificate(value: Uint8Array): void {
    const fields = DerFields.ofSequence(value, WHAT);
    if (fields.oid() !== OID.x509Certificate) {
      this.remarks.push("a certificate that is not X.509 was passed over");
      return;
    }
    this.certificates.push(fields.nested(0xa0).take(DER_TAG.octetString));
  }

  async #addShroudedKey(value: Uint8Array): Promise<void> {
    const fields = DerFields.ofSequence(value, WHAT);
    const algorithm = fields.take(DER_TAG.sequence);
    const plain = await this.#decrypt(algorithm, fields.take(DER_TAG.octetString));
    try {
      this.keys.push(readPkcs8(plain));
    } finally {
      plain.fill(0);
    }
  }

  async #decrypt(algorithm: Uint8Array, ciphertext: Uint8Array): Promise<Buffer> {
    if (++this.#encryptedParts > MAX_ENCRYPTED_PARTS) {
      throw damaged(WHAT, `it holds more than ${MAX_ENCRYPTED_PARTS} encrypted parts`);
    }
    const plain = await decryptWithPassword(algorithm, ciphertext, this.#password, this.#costs);
    // One wrong password in 256 leaves a padding that looks right; DER of that length does not follow.
    if (plain[0] !== DER_TAG.sequence) throw new UndecryptableError("not DER");
    try {
      DerFields.ofSequence(plain, WHAT);
    } catch (cause) {
      throw new UndecryptableError("not DER", { cause });
    }
    this.opened++;
    return plain;
  }
}

/** `[0] IMPLICIT OCTET STRING` (RFC 5652 section 6.1), in BER possibly in pieces. */
function ciphertextOf(part: DerFields): Uint8Array {
  if (part.tag !== 0xa0) return part.take(0x80);
  const pieces = part.nested(0xa0);
  const joined: Uint8Array[] = [];
  while (!pieces.done) joined.push(pieces.take(DER_TAG.octetString));
  return Buffer.concat(joined);
}

function wrongPassword(password: string): AgentError {
  return new AgentError(
    "ERR_KEY_PASSPHRASE",
    password === ""
      ? "the PKCS#12 file has a password and none was given"
      : "the password of the PKCS#12 file is wrong",
  );
}

function unsupported(what: string): AgentError {
  return new AgentError(
    "ERR_IMPORT_UNSUPPORTED",
    `the PKCS#12 file ${what}; make it again with openssl pkcs12 -export`,
  );
}

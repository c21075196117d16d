/**
 * The sealed form of a private key, as it stands in a generation and so on flash. Pure.
 *
 * ```
 * octets  0      1 ... 8          9 ... 32   33 ...                                 last 8
 *         0x01   sealing key id   nonce      secretbox(header, SPKI digest, PKCS#8) checksum
 * ```
 *
 * XSalsa20-Poly1305 (NaCl's secretbox) seals and authenticates. Inside the box the header is repeated
 * and the digest of the public key stands before the private one: a sealed key under another's
 * reference is told from a good one. The id tells a wrong sealing key, and the checksum a worn flash
 * cell, from each other and from forgery, because each has another cure. Neither tells about the keys.
 */
import { createHash } from "node:crypto";
import nacl from "tweetnacl";
import { AgentError } from "../../base/errors.ts";
import type { Random } from "../../host/random.ts";

const VERSION = 1;
const ID_BYTES = 8;
const HEADER_BYTES = 1 + ID_BYTES;
const NONCE_BYTES = nacl.secretbox.nonceLength;
const CHECKSUM_BYTES = 8;
const SPKI_DIGEST_BYTES = 32;
/** Of PKCS#8 DER: RSA with 8192 bits takes 4.7 KiB. */
const MAX_KEY_BYTES = 8 * 1024;
const OVERHEAD =
  HEADER_BYTES +
  NONCE_BYTES +
  nacl.secretbox.overheadLength +
  HEADER_BYTES +
  SPKI_DIGEST_BYTES +
  CHECKSUM_BYTES;

/** What is sealed, and to which public key it belongs. */
export interface EnvelopeContent {
  /** The caller overwrites it after use. */
  readonly pkcs8: Uint8Array;
  /** SHA-256 of the public key's SPKI, hexadecimal. */
  readonly spkiSha256: string;
}

/** Seals; the result is for storage. */
export function sealKey(
  content: EnvelopeContent,
  sealingKey: Uint8Array,
  random: Random,
): Uint8Array {
  const header = Buffer.concat([Buffer.of(VERSION), sealingKeyId(sealingKey)]);
  const nonce = random.bytes(NONCE_BYTES);
  const plain = Buffer.concat([header, Buffer.from(content.spkiSha256, "hex"), content.pkcs8]);
  const box = nacl.secretbox(plain, nonce, sealingKey);
  plain.fill(0);
  const body = Buffer.concat([header, nonce, box]);
  return Buffer.concat([body, checksum(body)]);
}

/**
 * Opens what {@link sealKey} made, for the public key that the reference names.
 *
 * @returns PKCS#8 DER in a buffer of its own; the caller overwrites it after use.
 * @throws AgentError `ERR_KEY_DAMAGED` when octets are missing or changed, or it belongs to another
 *   key; `ERR_KEY_SEALING_WRONG` when it was sealed under another sealing key.
 */
export function unsealKey(sealed: Uint8Array, spkiSha256: string, sealingKey: Uint8Array): Buffer {
  const version = sealed[0];
  if (sealed.length <= OVERHEAD || sealed.length > OVERHEAD + MAX_KEY_BYTES) {
    throw damaged(`it has ${sealed.length} bytes, which no sealed key has`);
  }
  const body = sealed.subarray(0, -CHECKSUM_BYTES);
  if (!checksum(body).equals(sealed.subarray(-CHECKSUM_BYTES))) {
    throw damaged("bytes of it were changed or lost");
  }
  if (version !== VERSION) {
    throw damaged(`its format is version ${version}, made by a later agent than this`);
  }
  const header = body.subarray(0, HEADER_BYTES);
  if (!sealingKeyId(sealingKey).equals(header.subarray(1))) throw wrongSealingKey();
  const nonce = body.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
  const plain = nacl.secretbox.open(body.subarray(HEADER_BYTES + NONCE_BYTES), nonce, sealingKey);
  if (plain === null) throw damaged("it was forged: its authentication fails");
  try {
    const digest = Buffer.from(plain.subarray(HEADER_BYTES, HEADER_BYTES + SPKI_DIGEST_BYTES));
    const sameHeader = Buffer.compare(plain.subarray(0, HEADER_BYTES), header) === 0;
    if (!sameHeader || digest.toString("hex") !== spkiSha256) {
      throw damaged("it belongs to another public key than the one it is named for");
    }
    return Buffer.from(plain.subarray(HEADER_BYTES + SPKI_DIGEST_BYTES));
  } finally {
    plain.fill(0);
  }
}

/** Names a sealing key without giving it away: it has 256 random bits, so nobody finds it from this. */
function sealingKeyId(sealingKey: Uint8Array): Buffer {
  const digest = createHash("sha256").update("microedge sealing key id\0").update(sealingKey);
  return digest.digest().subarray(0, ID_BYTES);
}

function checksum(body: Uint8Array): Buffer {
  return createHash("sha256").update(body).digest().subarray(0, CHECKSUM_BYTES);
}

function damaged(why: string): AgentError {
  return new AgentError("ERR_KEY_DAMAGED", `the sealed private key can't be opened: ${why}`);
}

function wrongSealingKey(): AgentError {
  return new AgentError(
    "ERR_KEY_SEALING_WRONG",
    "the private key was sealed under another sealing key than the one that is configured now",
  );
}

/**
 * Reads the one private key of a PEM text: PKCS#8 (RFC 5958), SEC 1 (RFC 5915) or PKCS#1 (RFC 8017),
 * encrypted or not. Node's own errors are not passed on as they are: what they quote is not ours to say.
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { AgentError } from "../../base/errors.ts";
import { DerFields } from "../exchange/der-fields.ts";
import {
  checkPassphrase,
  DerivationBudget,
  MAX_IMPORT_FILE_BYTES,
} from "../exchange/import-limits.ts";
import { decryptWithPassword, UndecryptableError } from "../exchange/password-encryption.ts";
import { isCutOff, isEncryptedKey, isKeyBlock, type PemBlock, splitPem } from "../pem.ts";
import { DER_TAG } from "../x509/der.ts";

/** Labels of key blocks by what `createPrivateKey` calls the form of their DER. */
const FORMS = {
  "PRIVATE KEY": "pkcs8",
  "EC PRIVATE KEY": "sec1",
  "RSA PRIVATE KEY": "pkcs1",
} as const;

/**
 * @param passphrase of an encrypted key; one that is not needed is passed over.
 * @throws AgentError `ERR_KEY_INVALID` when there is no key, more than one, or none that can be read,
 *   `ERR_KEY_PASSPHRASE` when the passphrase is missing or wrong, `ERR_IMPORT_*` when the encryption
 *   is unknown or asks for too much.
 */
export async function readPrivateKeyPem(pem: string, passphrase?: string): Promise<KeyObject> {
  if (pem.length > MAX_IMPORT_FILE_BYTES) {
    throw invalid(`the key file is larger than ${MAX_IMPORT_FILE_BYTES} bytes`);
  }
  const blocks = splitPem(pem);
  const keys = blocks.filter(isKeyBlock);
  const [block] = keys;
  if (block === undefined) throw invalid(whyNoKey(pem, blocks));
  if (keys.length > 1) {
    throw invalid(
      `the file holds ${keys.length} private keys; keep the one that belongs to the certificate`,
    );
  }
  return readKeyBlock(block, passphrase);
}

/** As {@link readPrivateKeyPem}, of a block that was cut out already. */
export async function readKeyBlock(block: PemBlock, passphrase?: string): Promise<KeyObject> {
  if (passphrase !== undefined) checkPassphrase(passphrase);
  if (isEncryptedKey(block) && passphrase === undefined) {
    throw new AgentError(
      "ERR_KEY_PASSPHRASE",
      "the private key is encrypted and no passphrase was given; give it, or decrypt the key first: openssl pkey -in KEY -out PLAIN",
    );
  }
  if (block.label === "ENCRYPTED PRIVATE KEY") {
    return decryptPkcs8(derOf(block), passphrase ?? "");
  }
  if (isEncryptedKey(block)) return readOldEncrypted(block, passphrase ?? "");
  const form = Object.entries(FORMS).find(([label]) => label === block.label)?.[1];
  if (form === undefined) throw invalid(whyNotThisKind(block.label));
  const der = derOf(block);
  try {
    return createPrivateKey({ key: der, format: "der", type: form });
  } catch {
    throw invalid("the private key is damaged: its block can't be read");
  } finally {
    der.fill(0);
  }
}

/** DER of an unencrypted PKCS#8 key, as PKCS#12 and the sealed form hold it. */
export function readPkcs8(der: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  } catch {
    throw invalid("the private key is damaged: it can't be read");
  }
}

async function decryptPkcs8(der: Buffer, passphrase: string): Promise<KeyObject> {
  const fields = DerFields.ofSequence(der, "the encrypted private key");
  const algorithm = fields.take(DER_TAG.sequence);
  const ciphertext = fields.take(DER_TAG.octetString);
  const costs = { budget: new DerivationBudget() };
  let plain: Buffer | undefined;
  try {
    plain = await decryptWithPassword(algorithm, ciphertext, passphrase, costs);
    return readPkcs8(plain);
  } catch (thrown) {
    // One wrong passphrase in 256 leaves a padding that looks right, and then what can't be a key.
    const fits = thrown instanceof AgentError && thrown.code !== "ERR_KEY_INVALID";
    if (fits || !(thrown instanceof AgentError || thrown instanceof UndecryptableError))
      throw thrown;
    throw wrongPassphrase();
  } finally {
    plain?.fill(0);
  }
}

/** The form of OpenSSL before 1.0 (`Proc-Type: 4,ENCRYPTED`): one round of MD5, so it costs nothing. */
function readOldEncrypted(block: PemBlock, passphrase: string): KeyObject {
  try {
    return createPrivateKey({ key: block.text, format: "pem", passphrase });
  } catch {
    throw wrongPassphrase();
  }
}

function derOf(block: PemBlock): Buffer {
  const body = block.text
    .split(/\r\n|\r|\n/)
    .filter((line) => !line.startsWith("-----") && !line.includes(":"))
    .join("")
    .replace(/[ \t]/g, "");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(body)) {
    throw invalid("the private key is damaged: its block is not base64");
  }
  return Buffer.from(body, "base64");
}

function whyNoKey(pem: string, blocks: readonly PemBlock[]): string {
  const labels = new Set(blocks.map(({ label }) => label));
  if (isCutOff(pem)) return "the key file is cut off: a block begins and does not end";
  if ([...labels].some((label) => label.endsWith("PUBLIC KEY"))) {
    return "the file holds a public key; the private key is needed";
  }
  if (labels.has("CERTIFICATE")) return "the file holds a certificate and no private key";
  return 'the file holds no private key in PEM; it begins with "-----BEGIN PRIVATE KEY-----"';
}

function whyNotThisKind(label: string): string {
  if (label === "OPENSSH PRIVATE KEY") {
    return "the private key is in OpenSSH's own form; convert it: ssh-keygen -p -m PKCS8 -f KEY";
  }
  if (label === "PKCS#11 PROVIDER URI" || label === "TSS2 PRIVATE KEY") {
    return "the file names a key in a token or TPM; that key is used where it is, not imported";
  }
  return `a private key of the kind "${label}" is not read; convert it: openssl pkey -in KEY -out NEW`;
}

function wrongPassphrase(): AgentError {
  return new AgentError(
    "ERR_KEY_PASSPHRASE",
    "the private key can't be decrypted: the passphrase is wrong, or the file is damaged",
  );
}

function invalid(message: string): AgentError {
  return new AgentError("ERR_KEY_INVALID", message);
}

/**
 * Takes key and chain out of the store for a backup or another program, because the operator asked:
 * PEM with the key encrypted by a passphrase (PBES2 with scrypt), or PKCS#12 that OpenSSL 3 and Java from
 * 8u301 read (AES-256-CBC, PBKDF2 and a MAC with SHA-256). The key never leaves unencrypted.
 */
import { createHmac } from "node:crypto";
import { AgentError } from "../../base/errors.ts";
import type { Random } from "../../host/random.ts";
import type { OpenKey } from "../keys/key-provider.ts";
import { splitPem } from "../pem.ts";
import { parseCertificate } from "../x509/certificate.ts";
import {
  bmpString,
  explicit,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
  setOf,
} from "./der-writer.ts";
import { checkPassphrase, DerivationBudget } from "./import-limits.ts";
import { type ExportDerivation, encryptionWithPassword } from "./password-encryption.ts";
import { bmpPassword, derivePkcs12, PURPOSE } from "./pkcs12-derivation.ts";

export interface KeyExport {
  readonly key: OpenKey;
  /** Leaf first, PEM. */
  readonly chainPem: string;
  /** Shown by programs that list the file; default none. */
  readonly friendlyName?: string;
  readonly passphrase: string;
  readonly random: Random;
  /** Lets other work run meanwhile. */
  readonly breathe?: () => Promise<void>;
}

/**
 * NIST SP 800-63B section 5.1.1.2 wants eight characters at least; this one guards a private key that
 * somebody can guess at for years.
 */
const MIN_PASSPHRASE_CHARACTERS = 12;
/** 16 MiB (128 * N * r); OpenSSL refuses to read more than 32. */
const SCRYPT: ExportDerivation = { kind: "scrypt", N: 16_384, r: 8, p: 1 };
/** OWASP's figure of 2023 for PBKDF2 with HMAC-SHA-256. */
const PBKDF2: ExportDerivation = { kind: "pbkdf2", iterations: 600_000 };
/** The MAC is derived on the event loop, and guessing it is no easier than guessing PBKDF2's by much. */
const MAC_ITERATIONS = 100_000;

const OID = {
  data: "1.2.840.113549.1.7.1",
  shroudedKeyBag: "1.2.840.113549.1.12.10.1.2",
  certificateBag: "1.2.840.113549.1.12.10.1.3",
  x509Certificate: "1.2.840.113549.1.9.22.1",
  friendlyName: "1.2.840.113549.1.9.20",
  localKeyId: "1.2.840.113549.1.9.21",
  sha256: "2.16.840.1.101.3.4.2.1",
} as const;

/**
 * The encrypted key, then the chain. `openssl pkey` and `openssl s_client -cert` read it.
 *
 * @throws AgentError `ERR_KEY_NOT_EXPORTABLE` for keys in hardware, `ERR_KEY_PASSPHRASE` for a
 *   passphrase that is too short or too long.
 */
export async function exportPem(options: KeyExport): Promise<string> {
  const encrypted = await encryptKey(options, SCRYPT);
  return pemOf("ENCRYPTED PRIVATE KEY", encrypted) + options.chainPem;
}

/**
 * PKCS#12 (RFC 7292). Java shows the entry under `friendlyName`.
 *
 * @throws AgentError as {@link exportPem} does.
 */
export async function exportPkcs12(options: KeyExport): Promise<Uint8Array> {
  const { passphrase, random } = options;
  const ownKey = Buffer.from(options.key.reference.spkiSha256, "hex").subarray(0, 20);
  const marks = setOf(
    sequence(oid(OID.localKeyId), setOf(octetString(ownKey))),
    ...(options.friendlyName === undefined
      ? []
      : [sequence(oid(OID.friendlyName), setOf(bmpString(options.friendlyName)))]),
  );
  const encrypted = await encryptKey(options, PBKDF2);
  const keySafe = sequence(sequence(oid(OID.shroudedKeyBag), explicit(0, encrypted), marks));
  const certificates = splitPem(options.chainPem).map(({ text }, index) => {
    const value = sequence(
      oid(OID.x509Certificate),
      explicit(0, octetString(parseCertificate(text).x509.raw)),
    );
    // The mark ties the leaf to its key; certificates are public and not encrypted.
    const parts = [oid(OID.certificateBag), explicit(0, value)];
    return index === 0 ? sequence(...parts, marks) : sequence(...parts);
  });
  const safes = [keySafe, sequence(...certificates)];
  const authenticated = sequence(
    ...safes.map((safe) => sequence(oid(OID.data), explicit(0, octetString(safe)))),
  );
  const salt = random.bytes(16);
  const macKey = await derivePkcs12(
    {
      digest: "sha256",
      purpose: PURPOSE.mac,
      password: bmpPassword(passphrase),
      salt,
      iterations: MAC_ITERATIONS,
      length: 32,
    },
    { budget: new DerivationBudget(), ...breathing(options) },
  );
  const mac = createHmac("sha256", macKey).update(authenticated).digest();
  const digestInfo = sequence(sequence(oid(OID.sha256), nothing()), octetString(mac));
  return sequence(
    integer(3),
    sequence(oid(OID.data), explicit(0, octetString(authenticated))),
    sequence(digestInfo, octetString(salt), integer(MAC_ITERATIONS)),
  );
}

async function encryptKey(options: KeyExport, derivation: ExportDerivation): Promise<Buffer> {
  const { key, passphrase, random } = options;
  checkNewPassphrase(passphrase);
  const pkcs8 = key.exportPkcs8();
  try {
    return await encryptPkcs8(pkcs8, { passphrase, random, derivation });
  } finally {
    pkcs8.fill(0);
  }
}

/**
 * A private key under a passphrase, PEM, by scrypt.
 *
 * @param pkcs8 DER; the caller wipes it.
 * @throws AgentError `ERR_KEY_PASSPHRASE` for a passphrase that is too short or too long.
 */
export async function encryptedKeyPem(
  pkcs8: Uint8Array,
  passphrase: string,
  random: Random,
): Promise<string> {
  checkNewPassphrase(passphrase);
  const encrypted = await encryptPkcs8(pkcs8, { passphrase, random, derivation: SCRYPT });
  return pemOf("ENCRYPTED PRIVATE KEY", encrypted);
}

/** EncryptedPrivateKeyInfo (RFC 5958 section 3). */
async function encryptPkcs8(
  pkcs8: Uint8Array,
  how: {
    readonly passphrase: string;
    readonly random: Random;
    readonly derivation: ExportDerivation;
  },
): Promise<Buffer> {
  const encryption = await encryptionWithPassword(how.passphrase, how.derivation, how.random);
  return sequence(encryption.algorithm, octetString(encryption.encrypt(pkcs8)));
}

function checkNewPassphrase(passphrase: string): void {
  checkPassphrase(passphrase);
  if ([...passphrase].length >= MIN_PASSPHRASE_CHARACTERS) return;
  throw new AgentError(
    "ERR_KEY_PASSPHRASE",
    `the passphrase for a key file must have ${MIN_PASSPHRASE_CHARACTERS} characters at least`,
    { fields: { fix: "choose a longer one: whoever gets the file can try without end" } },
  );
}

function breathing({ breathe }: KeyExport): { breathe?: () => Promise<void> } {
  return breathe === undefined ? {} : { breathe };
}

/** DER in its frame (RFC 7468). */
export function pemOf(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

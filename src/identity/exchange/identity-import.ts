/**
 * Takes a device's identity out of the files that somebody has: PEM in one file or several, DER,
 * PKCS#12 of OpenSSL or Java. What comes out has one form. The key leaves here only to be sealed.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { AgentError } from "../../base/errors.ts";
import { algorithmOf, checkHalves } from "../keys/key-strength.ts";
import { readKeyBlock } from "../keys/private-key.ts";
import { isKeyBlock, type PemBlock } from "../pem.ts";
import { parseCertificate } from "../x509/certificate.ts";
import { certificatePem } from "../x509/certificate-builder.ts";
import { DER_TAG } from "../x509/der.ts";
import { type AssembledChain, assembleChain, type ForeignCertificates } from "./chain-assembly.ts";
import { MAX_IMPORT_CERTIFICATES, MAX_IMPORT_FILES } from "./import-limits.ts";
import { type ImportFile, kindOf, pemBlocksOf } from "./import-text.ts";
import { isPkcs12, readPkcs12 } from "./pkcs12.ts";

export interface ImportedIdentity extends AssembledChain {
  /** PKCS#8 PEM, for `KeyProvider.import`; `undefined` when the caller gave the public key instead. */
  readonly privateKeyPem: string | undefined;
}

export interface ImportOptions {
  /** Of an encrypted key or PKCS#12. */
  readonly passphrase?: string;
  /** When the key is in the store or a token already: the public half of it; then no file may hold one. */
  readonly publicKey?: KeyObject;
  /** What becomes of certificates none of which is the key's; see {@link assembleChain}. */
  readonly foreign?: ForeignCertificates;
  /** Lets other work run during long derivations. */
  readonly breathe?: () => Promise<void>;
}

/** What the files hold, before it is put together. */
interface Found {
  readonly keys: KeyObject[];
  readonly certificates: (string | Uint8Array)[];
  readonly remarks: string[];
}

/**
 * @throws AgentError `ERR_IMPORT_INVALID`, `ERR_IMPORT_UNSUPPORTED`, `ERR_KEY_INVALID`, `ERR_KEY_WEAK`,
 *   `ERR_KEY_PASSPHRASE` or `ERR_CERT_INVALID`; the message names the file.
 */
export async function importIdentity(
  files: readonly ImportFile[],
  options: ImportOptions = {},
): Promise<ImportedIdentity> {
  if (files.length > MAX_IMPORT_FILES) {
    throw tooManyFiles(files.length);
  }
  const found: Found = { keys: [], certificates: [], remarks: [] };
  for (const file of files) {
    if (kindOf(file) === "pem") await addPem(file, options, found);
    else await addDer(file, options, found);
  }
  const key = oneKey(found.keys);
  if (key === undefined || options.publicKey !== undefined) {
    return { ...withoutKey(found, key, options), privateKeyPem: undefined };
  }
  await checkHalves(key, algorithmOf(key));
  const chain = assembleChain(found.certificates, createPublicKey(key), options.foreign);
  return {
    ...chain,
    remarks: [...found.remarks, ...chain.remarks],
    privateKeyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/**
 * The certificates alone, PEM, in the order of the files: for a key that is in the store already, and for
 * trust bundles. Keys in the files are passed over unread.
 *
 * @throws AgentError `ERR_IMPORT_INVALID` for none, too many, or a file that can't hold any;
 *   `ERR_CERT_INVALID` for one that can't be read.
 */
export function certificatesIn(files: readonly ImportFile[]): string {
  if (files.length > MAX_IMPORT_FILES) throw tooManyFiles(files.length);
  const found = files.flatMap((file): (string | Uint8Array)[] => {
    if (kindOf(file) === "pem") {
      return pemBlocksOf(file).flatMap((block) => (isCertificate(block) ? [block.text] : []));
    }
    if (!isPkcs12(file.bytes)) return [file.bytes];
    throw new AgentError(
      "ERR_IMPORT_INVALID",
      `${file.name} is PKCS#12, which needs its password`,
      {
        fields: { fix: "give the file with --pkcs12, and its password with --passphrase-file" },
      },
    );
  });
  if (found.length === 0 || found.length > MAX_IMPORT_CERTIFICATES) {
    throw new AgentError(
      "ERR_IMPORT_INVALID",
      `the files hold ${found.length} certificates; 1 to ${MAX_IMPORT_CERTIFICATES} are taken`,
    );
  }
  return found.map((each) => certificatePem(parseCertificate(each).x509.raw)).join("");
}

async function addPem(file: ImportFile, options: ImportOptions, found: Found): Promise<void> {
  const others = new Set<string>();
  for (const block of pemBlocksOf(file)) {
    if (isCertificate(block)) found.certificates.push(block.text);
    else if (isKeyBlock(block)) {
      if (found.keys.length > 0) throw severalKeys();
      found.keys.push(await readKeyBlock(block, options.passphrase));
    } else if (!block.label.endsWith("PARAMETERS")) others.add(block.label);
  }
  for (const label of others) {
    found.remarks.push(
      `${file.name}: blocks "${label.slice(0, 60)}" are not needed and were passed over`,
    );
  }
}

async function addDer(file: ImportFile, options: ImportOptions, found: Found): Promise<void> {
  if (!isPkcs12(file.bytes)) {
    if (isBareKey(file.bytes)) {
      throw new AgentError(
        "ERR_IMPORT_INVALID",
        `${file.name} is not a certificate or PKCS#12 but looks like a key in DER; convert it: openssl pkey -inform DER -in KEY -out NEW`,
      );
    }
    found.certificates.push(file.bytes);
    return;
  }
  const content = await readPkcs12(file.bytes, options.passphrase ?? "", {
    ...(options.breathe === undefined ? {} : { breathe: options.breathe }),
  });
  found.keys.push(content.key);
  found.certificates.push(...content.certificates);
  found.remarks.push(...content.remarks.map((remark) => `${file.name}: ${remark}`));
}

/** With a key of the store's own: the files bring certificates only. */
function withoutKey(
  found: Found,
  key: KeyObject | undefined,
  { publicKey }: ImportOptions,
): AssembledChain {
  if (publicKey === undefined) {
    throw new AgentError(
      "ERR_IMPORT_INVALID",
      "the import has no private key; name its file, or create the key on the device (microedge key create)",
    );
  }
  const chain = assembleChain(found.certificates, publicKey);
  const remarks =
    key === undefined ? [] : ["the private key in the files is not needed and was not imported"];
  return { ...chain, remarks: [...found.remarks, ...remarks, ...chain.remarks] };
}

/** The same key twice, in PEM and in PKCS#12 say, is one. */
function oneKey(keys: readonly KeyObject[]): KeyObject | undefined {
  const [first, ...others] = keys;
  if (first !== undefined && others.some((other) => !other.equals(first))) throw severalKeys();
  return first;
}

function isCertificate({ label }: PemBlock): boolean {
  return label === "CERTIFICATE" || label === "X509 CERTIFICATE" || label === "TRUSTED CERTIFICATE";
}

/** A version number first, as in PKCS#8, SEC 1 and PKCS#1; a certificate begins with a SEQUENCE. */
function isBareKey(bytes: Uint8Array): boolean {
  const length = bytes[1] ?? 0;
  return bytes[length > 0x80 ? 2 + (length & 0x7f) : 2] === DER_TAG.integer;
}

function tooManyFiles(count: number): AgentError {
  return new AgentError(
    "ERR_IMPORT_INVALID",
    `the import has ${count} files; it may have ${MAX_IMPORT_FILES}`,
  );
}

function severalKeys(): AgentError {
  return new AgentError(
    "ERR_KEY_INVALID",
    "the import has several private keys; keep the one that belongs to the certificate",
  );
}

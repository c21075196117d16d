/**
 * PEM (RFC 7468) cut into its blocks, each still text. Nothing is decoded here. Pure.
 */
export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, ... */
  readonly label: string;
  /** The block with its frame lines. */
  readonly text: string;
}

/** The blocks in order; text between them (comments, as `openssl x509 -text` writes) is left out. */
export function splitPem(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  const frame = /-----BEGIN ([A-Z0-9# ]+)-----[\s\S]*?-----END \1-----/g;
  for (const match of text.matchAll(frame)) {
    blocks.push({ label: match[1] ?? "", text: `${match[0]}\n` });
  }
  return blocks;
}

/** Whether a block begins and does not end, as in a file that is still being written. */
export function isCutOff(text: string): boolean {
  const begun = text.match(/-----BEGIN /g)?.length ?? 0;
  return begun > splitPem(text).length;
}

/** Whether a key block needs a passphrase: PKCS #8 by its label, the older form by its header. */
export function isEncryptedKey(block: PemBlock): boolean {
  return block.label === "ENCRYPTED PRIVATE KEY" || /^Proc-Type: 4,ENCRYPTED/m.test(block.text);
}

/** Whether a block is a private key, or a reference to one (PKCS #11, TPM). */
export function isKeyBlock({ label }: PemBlock): boolean {
  return label.endsWith("PRIVATE KEY") || label === "PKCS#11 PROVIDER URI";
}

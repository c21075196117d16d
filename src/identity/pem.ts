/**
 * PEM (RFC 7468) cut into its blocks, each still text. Nothing is decoded here. Pure.
 */
export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, ... */
  readonly label: string;
  /** The block with its frame lines. */
  readonly text: string;
}

/** No file that anybody needs has more; what comes after them is left out, and counts as cut off. */
const MAX_BLOCKS = 4096;
/** So many kinds of blocks that begin and never end are looked for. */
const MAX_ENDLESS = 32;

/**
 * The blocks in order; text between them (comments, as `openssl x509 -text` writes) is left out. What begins and
 * does not end is no block. The text may come from anybody: time and memory are bounded whatever is in it, which
 * one expression from BEGIN to END would not be (a megabyte of BEGIN lines took ten seconds).
 */
export function splitPem(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  const begin = /-----BEGIN ([A-Z0-9# ]+)-----/g;
  /** Where the next end of a label is; -1 for none any more. */
  const ends = new Map<string, number>();
  let endless = 0;
  for (let found = begin.exec(text); found !== null; found = begin.exec(text)) {
    const { index, 1: label = "" } = found;
    const frame = `-----END ${label}-----`;
    let end = ends.get(label) ?? 0;
    if (end !== -1 && end < begin.lastIndex) end = text.indexOf(frame, begin.lastIndex);
    if (end === -1 && ends.get(label) !== -1) endless += 1;
    ends.set(label, end);
    if (endless > MAX_ENDLESS) break;
    // As if nothing had begun; the dashes at its end may begin the next one.
    if (end === -1) begin.lastIndex = index + 1;
    else {
      begin.lastIndex = end + frame.length;
      blocks.push({ label, text: `${text.slice(index, begin.lastIndex)}\n` });
      if (blocks.length === MAX_BLOCKS) break;
    }
  }
  return blocks;
}

/** Whether a block begins and does not end, as in a file that is still being written. */
export function isCutOff(text: string): boolean {
  let begun = 0;
  for (let at = text.indexOf(BEGIN); at !== -1; at = text.indexOf(BEGIN, at + BEGIN.length)) {
    begun += 1;
  }
  return begun > splitPem(text).length;
}

const BEGIN = "-----BEGIN ";

/** Whether a key block needs a passphrase: PKCS #8 by its label, the older form by its header. */
export function isEncryptedKey(block: PemBlock): boolean {
  return block.label === "ENCRYPTED PRIVATE KEY" || /^Proc-Type: 4,ENCRYPTED/m.test(block.text);
}

/** Whether a block is a private key, or a reference to one (PKCS #11, TPM). */
export function isKeyBlock({ label }: PemBlock): boolean {
  return label.endsWith("PRIVATE KEY") || label === "PKCS#11 PROVIDER URI";
}

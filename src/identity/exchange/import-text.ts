/**
 * What kind of file somebody gave us, and its text if it is one. Windows editors and browsers put byte
 * order marks and carriage returns in; people hand over DER, PKCS#12 and Java key stores as PEM.
 */
import { AgentError } from "../../base/errors.ts";
import { isCutOff, type PemBlock, splitPem } from "../pem.ts";
import { checkFileSize } from "./import-limits.ts";

/** A file of an import, read whole by the caller. */
export interface ImportFile {
  /** For messages: its path. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export type ImportKind = "pem" | "der";

/** Of one file: a trust bundle of the web has about 150. */
const MAX_BLOCKS = 200;
const JAVA_KEY_STORE = Buffer.from("feedfeed", "hex");

/**
 * `der` for anything that begins with an ASN.1 SEQUENCE: a certificate, a key or PKCS#12.
 *
 * @throws AgentError `ERR_IMPORT_INVALID` or `ERR_IMPORT_UNSUPPORTED` for what is neither.
 */
export function kindOf({ name, bytes }: ImportFile): ImportKind {
  checkFileSize(bytes, name);
  // A text may begin with "0" too; no text goes on with the length that follows here.
  const length = bytes[1] ?? 0;
  if (bytes[0] === 0x30 && (length >= 0x80 || length + 2 === bytes.length)) return "der";
  if (JAVA_KEY_STORE.equals(bytes.subarray(0, 4))) {
    throw new AgentError(
      "ERR_IMPORT_UNSUPPORTED",
      `${name} is a Java key store of the old kind (JKS); convert it: keytool -importkeystore -srckeystore OLD -destkeystore NEW.p12 -deststoretype PKCS12`,
    );
  }
  return "pem";
}

/**
 * The PEM blocks of a text file, in order.
 *
 * @throws AgentError `ERR_IMPORT_INVALID` when it is no text, cut off, or has too many blocks.
 */
export function pemBlocksOf(file: ImportFile): PemBlock[] {
  const text = textOf(file);
  const begun = text.match(/-----BEGIN /g)?.length ?? 0;
  if (begun > MAX_BLOCKS) {
    throw invalid(`${file.name} has ${begun} PEM blocks; it may have ${MAX_BLOCKS}`);
  }
  if (isCutOff(text)) {
    throw invalid(`${file.name} is cut off: a PEM block begins and does not end`);
  }
  const blocks = splitPem(text);
  if (blocks.length === 0) {
    throw invalid(`${file.name} holds nothing in PEM ("-----BEGIN CERTIFICATE-----" and so on)`);
  }
  return blocks;
}

function textOf({ name, bytes }: ImportFile): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw invalid(`${name} is UTF-16 text, as Windows writes it; save it as UTF-8`);
  }
  try {
    // The decoder takes a byte order mark off by itself. Comments in PEM files may be in any language.
    const text = new TextDecoder("utf-8").decode(bytes);
    if (text.includes("\0")) throw new RangeError("a NUL");
    return text.replace(/\r\n?/g, "\n").replace(/^[ \t]+|[ \t]+$/gm, "");
  } catch {
    throw invalid(`${name} is neither PEM nor DER nor PKCS#12`);
  }
}

function invalid(message: string): AgentError {
  return new AgentError("ERR_IMPORT_INVALID", message);
}

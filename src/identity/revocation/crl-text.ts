/** A CRL file or body as it is found: DER, or PEM with CRLs and certificates of authorities in it. Pure. */
import { isCutOff, splitPem } from "../pem.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import { refuse } from "./refusal.ts";

export interface CrlText {
  /** DER of each CRL. */
  readonly crls: readonly Uint8Array[];
  /** Certificates that stand beside them: intermediates that the bundle lacks. */
  readonly certificates: readonly Certificate[];
}

const MAX_BLOCKS = 16;

/** @throws AgentError `ERR_REVOCATION_SOURCE` when there is no CRL in it or it is cut off. */
export function readCrlText(bytes: Uint8Array): CrlText {
  if (bytes[0] === 0x30) return { crls: [bytes], certificates: [] };
  const head = Buffer.from(bytes.subarray(0, 4096)).toString("latin1");
  if (!head.includes("-----BEGIN ")) throw refuse("malformed", "it is neither DER nor PEM");
  const text = Buffer.from(bytes).toString("latin1");
  if (isCutOff(text)) throw refuse("malformed", "it is cut off: a block begins and does not end");
  const blocks = splitPem(text);
  const crls = blocks.filter(({ label }) => label === "X509 CRL");
  if (crls.length === 0) throw refuse("malformed", "it holds no CRL");
  if (blocks.length > MAX_BLOCKS)
    throw refuse("too-large", `it holds more than ${MAX_BLOCKS} blocks`);
  return {
    crls: crls.map((block) => decode(block.text)),
    certificates: blocks
      .filter(({ label }) => label.endsWith("CERTIFICATE"))
      .map((block) => parseCertificate(block.text)),
  };
}

function decode(block: string): Uint8Array {
  return Buffer.from(block.replace(/-----[^-]+-----/g, ""), "base64");
}

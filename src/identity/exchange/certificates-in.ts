/**
 * The certificates in files of any kind, as PEM: for an import whose key is in the store already.
 */
import { parseCertificate } from "../x509/certificate.ts";
import { certificatePem } from "../x509/certificate-builder.ts";
import { type ImportFile, kindOf, pemBlocksOf } from "./import-text.ts";

/** @throws AgentError `ERR_IMPORT_*`, `ERR_CERT_INVALID`; the message names the file. */
export function certificatesIn(files: readonly ImportFile[]): string {
  return files
    .flatMap((file) => {
      if (kindOf(file) === "der") return [certificatePem(parseCertificate(file.bytes).x509.raw)];
      const blocks = pemBlocksOf(file).filter(({ label }) => label.endsWith("CERTIFICATE"));
      return blocks.map(({ text }) => certificatePem(parseCertificate(text).x509.raw));
    })
    .join("");
}

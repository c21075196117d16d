/**
 * The trust bundle: the authorities whose word we take, read once per material. OpenSSL judges with
 * the PEM; the parsed form only explains its verdicts.
 */
import { AgentError } from "../base/errors.ts";
import { splitPem } from "./pem.ts";
import { type Certificate, parseCertificate } from "./x509/certificate.ts";

export type TrustBundle = readonly Certificate[];

/**
 * Reads every certificate of a bundle.
 *
 * @throws AgentError `ERR_CERT_INVALID` naming the position of the one that can't be read, or if
 *   there is none.
 */
export function parseTrustBundle(pem: string): TrustBundle {
  const blocks = splitPem(pem).filter(({ label }) => label.endsWith("CERTIFICATE"));
  if (blocks.length === 0) {
    throw new AgentError("ERR_CERT_INVALID", "trust bundle holds no certificate");
  }
  return blocks.map(({ text }, index) => {
    try {
      return parseCertificate(text);
    } catch (cause) {
      throw new AgentError(
        "ERR_CERT_INVALID",
        `certificate ${index + 1} of the trust bundle can't be read`,
        { cause },
      );
    }
  });
}

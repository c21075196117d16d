/**
 * The trust bundle: the authorities whose word we take, read once per material. OpenSSL judges with
 * the PEM; the parsed form only explains its verdicts.
 */
import { AgentError } from "../base/errors.ts";
import { isCutOff, splitPem } from "./pem.ts";
import { type Certificate, parseCertificate } from "./x509/certificate.ts";

export type TrustBundle = readonly Certificate[];

/**
 * Reads every certificate of a bundle.
 *
 * @throws AgentError `ERR_CERT_INVALID` naming the position of the one that can't be read, or if there
 *   is none, if the last one is cut off, or if none can be the issuer of anybody.
 */
export function parseTrustBundle(pem: string): TrustBundle {
  const blocks = splitPem(pem).filter(({ label }) => label.endsWith("CERTIFICATE"));
  if (blocks.length === 0) {
    throw new AgentError("ERR_CERT_INVALID", "trust bundle holds no certificate");
  }
  if (isCutOff(pem)) {
    throw new AgentError(
      "ERR_CERT_INVALID",
      "trust bundle is cut off: a certificate begins and does not end",
    );
  }
  const bundle = blocks.map(({ text }, index) => {
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
  if (!bundle.some(isAnchor)) {
    throw new AgentError(
      "ERR_CERT_INVALID",
      `trust bundle holds no authority: "${bundle[0]?.summary.subject}" is not one`,
    );
  }
  return bundle;
}

/** A pinned self-signed certificate and the version 1 of old roots count as authorities for OpenSSL. */
export function isAnchor({ ca, selfSigned, version }: Certificate): boolean {
  return ca || selfSigned || version === 1;
}

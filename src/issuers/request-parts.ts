/** The two things that are asked of a certificate request (PKCS#10, RFC 2986) that somebody else made. */
import { AgentError } from "../base/errors.ts";
import { DerFields } from "../identity/exchange/der-fields.ts";
import { sequence } from "../identity/exchange/der-writer.ts";
import { splitPem } from "../identity/pem.ts";
import { DER_TAG } from "../identity/x509/der.ts";

export interface RequestParts {
  readonly der: Buffer;
  /** SubjectPublicKeyInfo. */
  readonly publicKeyDer: Buffer;
}

const WHAT = "the certificate request";

/** @throws AgentError `ERR_IMPORT_INVALID`. */
export function requestParts(pem: string): RequestParts {
  const [block] = splitPem(pem).filter(({ label }) => label.endsWith("CERTIFICATE REQUEST"));
  if (block === undefined) throw new AgentError("ERR_IMPORT_INVALID", `${WHAT} is not PEM`);
  const der = Buffer.from(block.text.replace(/-----[^-]+-----/g, ""), "base64");
  const fields = DerFields.ofSequence(der, WHAT).nested();
  fields.integer();
  fields.take(DER_TAG.sequence);
  return { der, publicKeyDer: sequence(fields.take(DER_TAG.sequence)) };
}

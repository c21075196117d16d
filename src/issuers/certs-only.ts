/**
 * Certificates out of a PKCS#7 "certs-only" message (RFC 5652 section 5, a SignedData without signers; RFC
 * 7030 section 4.1.3): a bag without any proof, so nothing in it is trusted for being in it. Pure.
 */

import { isAgentError } from "../base/errors.ts";
import { withDefiniteLengths } from "../identity/exchange/definite-lengths.ts";
import { DerFields, damaged } from "../identity/exchange/der-fields.ts";
import { sequence } from "../identity/exchange/der-writer.ts";
import { DER_TAG, readElements } from "../identity/x509/der.ts";

const SIGNED_DATA = "1.2.840.113549.1.7.2";
const WHAT = "the PKCS#7 message";
const CONTENT = 0xa0;
/** `certificates [0] IMPLICIT SET OF CertificateChoices`. */
const CERTIFICATES = 0xa0;
const MAX_CERTIFICATES = 32;

/**
 * @param text Base64 with line ends anywhere, PEM, or DER itself.
 * @returns Certificates in DER, in the order of the message.
 * @throws AgentError `ERR_IMPORT_INVALID`.
 */
export function certificatesOfPkcs7(text: Uint8Array): readonly Uint8Array[] {
  const der = withDefiniteLengths(text[0] === DER_TAG.sequence ? text : fromBase64(text));
  const message = DerFields.ofSequence(der, WHAT);
  if (message.oid() !== SIGNED_DATA) throw damaged(WHAT, "it is not a SignedData");
  const data = message.nested(CONTENT).nested();
  data.integer();
  data.take(DER_TAG.set);
  data.take(DER_TAG.sequence);
  if (data.tag !== CERTIFICATES) throw damaged(WHAT, "it holds no certificates");
  const found = elementsOf(data.take(CERTIFICATES)).filter(({ tag }) => tag === DER_TAG.sequence);
  if (found.length === 0 || found.length > MAX_CERTIFICATES) {
    throw damaged(WHAT, `it holds ${found.length} certificates`);
  }
  return found.map(({ content }) => sequence(content));
}

function fromBase64(text: Uint8Array): Uint8Array {
  const characters = Buffer.from(text)
    .toString("latin1")
    .replace(/-----(?:BEGIN|END) (?:PKCS7|CMS)-----/g, "")
    .replace(/\s+/g, "");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(characters)) throw damaged(WHAT, "it is not base64");
  return Buffer.from(characters, "base64");
}

function elementsOf(content: Uint8Array): ReturnType<typeof readElements> {
  try {
    return readElements(content);
  } catch (error) {
    if (isAgentError(error)) throw damaged(WHAT, "its DER has a length that leads nowhere");
    throw error;
  }
}

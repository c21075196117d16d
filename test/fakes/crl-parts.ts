/**
 * CRLs and OCSP answers of any shape, made by hand, for what OpenSSL rightly refuses to make.
 */
import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import { certificateFacts } from "#src/identity/revocation/certificate-facts.ts";
import { certificateId, element } from "#src/identity/revocation/ocsp-request.ts";
import type { Issued } from "#src/identity/x509/issue.ts";

/** DER of what openssl knows as long lengths, too. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  if (content.length < 0x1_0000) return element(tag, content);
  const head = Buffer.alloc(6);
  head[0] = tag;
  head[1] = 0x84;
  head.writeUInt32BE(content.length, 2);
  return Buffer.concat([head, content]);
}

export function oid(hex: string): Uint8Array {
  return element(0x06, Buffer.from(hex, "hex"));
}

export function time(ms: number): Uint8Array {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return element(0x18, Buffer.from(text));
}

export function integer(value: bigint | number): Uint8Array {
  let hex = BigInt(value).toString(16);
  if (hex.length % 2 === 1) hex = `0${hex}`;
  if (Number.parseInt(hex.slice(0, 2), 16) > 127) hex = `00${hex}`;
  return element(0x02, Buffer.from(hex, "hex"));
}

/** @param id Content octets of the identifier, hexadecimal. @param value What stands in the OCTET STRING. */
export function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? [element(0x01, Uint8Array.of(0xff))] : [];
  return element(0x30, oid(id), ...flag, element(0x04, value));
}

export const EXTENSION_ID = {
  crlNumber: "551d14",
  reasonCode: "551d15",
  delta: "551d1b",
  issuingPoint: "551d1c",
  certificateIssuer: "551d1d",
  unknown: "2a030405",
} as const;

/** IssuingDistributionPoint with one URL, and any further fields. */
export function issuingPoint(url: string | undefined, ...more: readonly Uint8Array[]): Uint8Array {
  const name = url === undefined ? [] : [der(0xa0, der(0xa0, element(0x86, Buffer.from(url))))];
  return extension(EXTENSION_ID.issuingPoint, true, element(0x30, ...name, ...more));
}

export interface CrlParts {
  readonly thisUpdate: number;
  readonly nextUpdate?: number | undefined;
  readonly number?: bigint | number | undefined;
  /** Serials in hexadecimal. */
  readonly revoked?: readonly {
    readonly serial: string;
    readonly at?: number;
    readonly extensions?: Uint8Array;
  }[];
  readonly extensions?: readonly Uint8Array[];
  /** Default: the authority's own key. */
  readonly signer?: Issued;
}

/** ecdsa-with-SHA256 */
const ECDSA = element(0x30, oid("2a8648ce3d040302"));
const ECDSA_SHA1 = element(0x30, oid("2a8648ce3d0401"));

function seal(tbs: Uint8Array, keyPem: string, algorithm = ECDSA): Uint8Array {
  const signature = sign("sha256", tbs, createPrivateKey(keyPem));
  return der(0x30, tbs, algorithm, der(0x03, Uint8Array.of(0), signature));
}

export function makeCrl(authority: Issued, parts: CrlParts, weak = false): Uint8Array {
  const issuer = certificateFacts(new X509Certificate(authority.certificatePem).raw).subjectName;
  const { thisUpdate, nextUpdate, number, revoked = [], extensions = [] } = parts;
  const algorithm = weak ? ECDSA_SHA1 : ECDSA;
  const entries = revoked.map(({ serial, at = thisUpdate, extensions: more }) =>
    element(
      0x30,
      integer(BigInt(`0x${serial}`)),
      time(at),
      ...(more === undefined ? [] : [der(0x30, more)]),
    ),
  );
  const all = [
    ...(number === undefined ? [] : [extension(EXTENSION_ID.crlNumber, false, integer(number))]),
    ...extensions,
  ];
  const tbs = der(
    0x30,
    integer(1),
    algorithm,
    issuer,
    time(thisUpdate),
    ...(nextUpdate === undefined ? [] : [time(nextUpdate)]),
    ...(entries.length === 0 ? [] : [der(0x30, Buffer.concat(entries))]),
    ...(all.length === 0 ? [] : [der(0xa0, der(0x30, ...all))]),
  );
  return seal(tbs, (parts.signer ?? authority).keyPem, algorithm);
}

export interface AnswerParts {
  readonly status: "good" | "revoked" | "unknown";
  readonly thisUpdate: number;
  readonly nextUpdate?: number | undefined;
  /** Who signs, when it is not the authority; its certificate is sent along. */
  readonly signer?: Issued;
  /** About this certificate instead (PEM). */
  readonly about?: string;
}

const BASIC = oid("2b0601050507300101");
const SHA1_ID = element(0x30, oid("2b0e03021a"), element(0x05));

export function makeAnswer(authority: Issued, leafPem: string, parts: AnswerParts): Uint8Array {
  const factsOf = (pem: string) => certificateFacts(new X509Certificate(pem).raw);
  const issuer = factsOf(authority.certificatePem);
  const { nameHash, keyHash, serial } = certificateId(factsOf(parts.about ?? leafPem), issuer);
  const { status, thisUpdate, nextUpdate, signer } = parts;
  const state =
    status === "good"
      ? element(0x80)
      : status === "unknown"
        ? element(0x82)
        : element(0xa1, time(thisUpdate), element(0xa0, element(0x0a, Uint8Array.of(1))));
  const number = BigInt(`0x${Buffer.from(serial).toString("hex")}`);
  const id = element(
    0x30,
    SHA1_ID,
    element(0x04, nameHash),
    element(0x04, keyHash),
    integer(number),
  );
  const next = nextUpdate === undefined ? [] : [element(0xa0, time(nextUpdate))];
  const single = element(0x30, id, state, time(thisUpdate), ...next);
  const tbs = element(
    0x30,
    element(0xa2, element(0x04, keyHash)),
    time(thisUpdate),
    element(0x30, single),
  );
  const signature = sign("sha256", tbs, createPrivateKey((signer ?? authority).keyPem));
  const sent =
    signer === undefined
      ? []
      : [der(0xa0, der(0x30, new X509Certificate(signer.certificatePem).raw))];
  const basic = der(0x30, tbs, ECDSA, element(0x03, Uint8Array.of(0), signature), ...sent);
  return answerFrame(0, der(0x30, BASIC, der(0x04, basic)));
}

/** An answer with a status and nothing else: 3 is tryLater. */
export function answerFrame(status: number, bytes?: Uint8Array): Uint8Array {
  return der(
    0x30,
    element(0x0a, Uint8Array.of(status)),
    ...(bytes === undefined ? [] : [der(0xa0, bytes)]),
  );
}

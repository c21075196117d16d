/**
 * Lets OpenSSL judge a chain at another moment than the machine's clock shows, for which Node has no
 * option. Every certificate gets a twin that is the same in everything but dates, keys and signatures:
 * for ever valid, over or to come, as the original is at the chosen moment; with a key of ours in
 * place of each key, and signed by the twin of whoever signed the original (by nobody's key if nobody
 * here did). OpenSSL then builds and judges the chain of twins exactly as the original, dates apart.
 *
 * It also shows what OpenSSL's verdict about dates hides: twins for which every date is good.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { Certificate } from "../x509/certificate.ts";
import { certificatePem } from "../x509/certificate-builder.ts";
import type { DerElement } from "../x509/der.ts";
import type { TrialMaterial } from "./candidate-report.ts";
import type { Issuers } from "./issuer-paths.ts";
import { FIELD, readRawFields } from "./raw-fields.ts";

/** Which dates count: those that hold at a moment, Unix ms, or none at all. */
export type TwinMoment = number | "any";

export interface TwinRequest {
  /** Leaf first; what would be sent. */
  readonly sent: readonly [Certificate, ...Certificate[]];
  readonly bundle: readonly Certificate[];
  readonly issuers: Issuers;
  readonly at: TwinMoment;
}

/** Good, over and to come by any clock: from 1950 (UTCTime) to 9999 (RFC 5280 section 4.1.2.5). */
const VALIDITY = {
  always: validity("500101000000Z", "99991231235959Z"),
  over: validity("500101000000Z", "500102000000Z"),
  toCome: validity("99991230235959Z", "99991231235959Z"),
} as const;
/** ecdsa-with-SHA256, RFC 5758 section 3.2. */
const SIGNATURE_ALGORITHM = Buffer.from("300a06082a8648ce3d040302", "hex");

/** The twins of a chain and its bundle, ready for a trial. */
export function timeTwin({ sent, bundle, issuers, at }: TwinRequest): TrialMaterial {
  const keys = new Map<string, KeyObject>();
  /** The same twin key for the same key, so that cross-signed authorities stay the same. */
  const keyOf = (certificate: Certificate): KeyObject => {
    const name = certificate.publicKey.export({ type: "spki", format: "der" }).toString("base64");
    const key = keys.get(name) ?? newKey();
    keys.set(name, key);
    return key;
  };
  const twin = (certificate: Certificate): string => {
    const [issuer] = issuers.of(certificate);
    const signer = issuer === undefined ? newKey() : keyOf(issuer);
    return certificatePem(rebuild(certificate, keyOf(certificate), signer, at));
  };
  const [leaf] = sent;
  return {
    chainPem: sent.map(twin).join(""),
    trustBundlePem: vouching(sent, bundle, issuers).map(twin).join(""),
    // Node's TLS takes keys as text only; this one is ours and gone after the trial.
    tlsKey: keyOf(leaf).export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** Of a bundle of hundreds, the few that can matter to this chain; at least one, as a bundle has. */
function vouching(
  sent: TwinRequest["sent"],
  bundle: TwinRequest["bundle"],
  issuers: Issuers,
): readonly Certificate[] {
  const reached = new Map(sent.map((each) => [each.summary.fingerprint, each] as const));
  for (const certificate of reached.values()) {
    // A Map goes on to what is added while it is walked.
    for (const issuer of issuers.of(certificate)) reached.set(issuer.summary.fingerprint, issuer);
  }
  const found = bundle.filter(({ summary }) => reached.has(summary.fingerprint));
  return found.length > 0 ? found : bundle.slice(0, 1);
}

function rebuild(
  certificate: Certificate,
  key: KeyObject,
  signer: KeyObject,
  at: TwinMoment,
): Uint8Array {
  const { version, fields } = readRawFields(certificate);
  const replaced: Readonly<Record<number, Uint8Array>> = {
    [FIELD.signature]: SIGNATURE_ALGORITHM,
    [FIELD.validity]: VALIDITY[stateAt(certificate, at)],
    [FIELD.publicKey]: createPublicKey(key).export({ type: "spki", format: "der" }),
  };
  const tbs = element(0x30, [
    ...(version === undefined ? [] : [written(version)]),
    ...fields.map((field, index) => replaced[index] ?? written(field)),
  ]);
  const signature = element(0x03, [Uint8Array.of(0), sign("sha256", tbs, signer)]);
  return element(0x30, [tbs, SIGNATURE_ALGORITHM, signature]);
}

function stateAt({ summary }: Certificate, at: TwinMoment): keyof typeof VALIDITY {
  if (at === "any") return "always";
  if (at > summary.notAfter) return "over";
  return at < summary.notBefore ? "toCome" : "always";
}

function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

function written({ tag, content }: DerElement): Uint8Array {
  return element(tag, [content]);
}

function validity(notBefore: string, notAfter: string): Uint8Array {
  const time = (text: string): Uint8Array =>
    element(text.length === 13 ? 0x17 : 0x18, [Buffer.from(text, "latin1")]);
  return element(0x30, [time(notBefore), time(notAfter)]);
}

function element(tag: number, parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Uint8Array.of(tag, length), content]);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Buffer.concat([Uint8Array.of(tag, 0x80 | octets.length, ...octets), content]);
}

/**
 * The token by which step-ca renews a certificate that has expired: a JWT (RFC 7519) signed with the old
 * key, with the old chain in its header. TLS can't carry an expired certificate, so this stands for it.
 */

import type { Random } from "../host/random.ts";
import { IssuerError, type OwnIdentityForIssuer } from "../identity/issuer.ts";
import type { KeyAlgorithm } from "../identity/keys/key-provider.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import { parseCertificate } from "../identity/x509/certificate.ts";
import { DER_TAG, readElements, readOne } from "../identity/x509/der.ts";
import { certificatesOf } from "./issuer-roots.ts";

/** RFC 7518 section 3.1 and RFC 8037 section 3.1, for what `OpenKey.sign` makes. */
const ALGORITHMS: Readonly<Record<KeyAlgorithm, string>> = {
  "ecdsa-p256": "ES256",
  "ecdsa-p384": "ES384",
  ed25519: "EdDSA",
  rsa: "RS256",
};
const LIFE_S = 300;

export interface RenewalTokenParts {
  readonly url: URL;
  readonly random: Random;
  readonly time: TimeView;
}

/**
 * Good for one attempt.
 *
 * @throws AgentError `ERR_KEY_*` when the key can't sign; IssuerError `unsupported` for a certificate
 *   without common name, which such a token can't name.
 */
export async function makeRenewalToken(
  { key, chainPem }: OwnIdentityForIssuer,
  { url, random, time }: RenewalTokenParts,
): Promise<string> {
  const chain = certificatesOf(chainPem).map(parseCertificate);
  const sub = chain[0]?.commonNames[0];
  if (sub === undefined) {
    throw new IssuerError("ERR_ISSUER_ENROL", {
      reason: "unsupported",
      words: "a certificate without common name can't be renewed by a token after it has expired",
      permanent: true,
    });
  }
  const header = {
    alg: ALGORITHMS[key.reference.algorithm],
    typ: "JWT",
    x5cInsecure: chain.map(({ x509 }) => x509.raw.toString("base64")),
  };
  const now = Math.floor(time.nowMs / 1_000);
  // By a clock that nobody vouches for, dates would only make a good token fail.
  const sure = time.state === "network" || time.state === "authenticated";
  const claims = {
    iss: "step-ca-client/1.0",
    aud: `https://${url.hostname}/1.0/renew`,
    sub,
    jti: Buffer.from(random.bytes(16)).toString("hex"),
    ...(sure ? { iat: now, nbf: now, exp: now + LIFE_S } : {}),
  };
  const text = `${part(header)}.${part(claims)}`;
  const signature = await key.sign(Buffer.from(text));
  return `${text}.${Buffer.from(joseSignature(key.reference.algorithm, signature)).toString("base64url")}`;
}

/** ECDSA signatures go as r and s side by side, each of the field's length (RFC 7518 section 3.4). */
export function joseSignature(algorithm: KeyAlgorithm, signature: Uint8Array): Uint8Array {
  const size = { "ecdsa-p256": 32, "ecdsa-p384": 48, ed25519: undefined, rsa: undefined }[
    algorithm
  ];
  if (size === undefined) return signature;
  const raw = readElements(readOne(signature, DER_TAG.sequence)).map(({ content }) => {
    const number = Buffer.from(content);
    // A leading zero keeps a DER number positive.
    const bare = number[0] === 0 ? number.subarray(1) : number;
    return Buffer.concat([Buffer.alloc(Math.max(0, size - bare.length)), bare]);
  });
  return Buffer.concat(raw);
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

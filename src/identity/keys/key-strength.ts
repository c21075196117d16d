/**
 * Which private keys this agent takes: on a curve or of a size that peers accept and that is not weak.
 */
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { promisify } from "node:util";
import { AgentError } from "../../base/errors.ts";
import { DerFields } from "../exchange/der-fields.ts";
import { DER_TAG } from "../x509/der.ts";
import type { KeyAlgorithm } from "./key-provider.ts";

const signing = promisify<string | null, Uint8Array, KeyObject, Buffer>(sign);

/** RFC 9325 section 4.3 wants at least 2048 bits; above 8192 a handshake takes seconds on small devices. */
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;

const CURVES: Readonly<Record<string, KeyAlgorithm>> = {
  prime256v1: "ecdsa-p256",
  secp384r1: "ecdsa-p384",
};

/** The digest by which a key signs; Ed25519 brings its own (RFC 8032). */
const DIGESTS: Readonly<Record<KeyAlgorithm, string | null>> = {
  "ecdsa-p256": "sha256",
  "ecdsa-p384": "sha384",
  ed25519: null,
  rsa: "sha256",
};

/** @throws AgentError `ERR_KEY_WEAK` for a key of another kind, curve or size. */
export function algorithmOf(key: KeyObject): KeyAlgorithm {
  const details = key.asymmetricKeyDetails ?? {};
  const kind = key.asymmetricKeyType;
  if (kind === "ed25519") return "ed25519";
  if (kind === "ec") {
    const algorithm = CURVES[details.namedCurve ?? ""];
    if (algorithm !== undefined && isCurveNamed(key)) return algorithm;
    if (algorithm !== undefined) {
      throw weak(
        "has its curve written out in full, which peers refuse; create the key anew, or: openssl pkey -ec_param_enc named_curve -in KEY -out NEW, and have a certificate issued for that",
      );
    }
    throw weak(
      `is on ${details.namedCurve ?? "a curve without a name"}; P-256 and P-384 are taken`,
    );
  }
  if (kind !== "rsa") {
    throw weak(`is of the kind ${kind ?? "unknown"}; ECDSA, Ed25519 and RSA are taken`);
  }
  const bits = details.modulusLength ?? 0;
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) {
    throw weak(`is RSA with ${bits} bits; ${MIN_RSA_BITS} to ${MAX_RSA_BITS} are taken`);
  }
  // FIPS 186-5 section 5.4: odd, above 2^16. Small ones have broken padding checks before.
  const exponent = details.publicExponent ?? 0n;
  if (exponent <= 65_536n || exponent % 2n === 0n) {
    throw weak(`is RSA with the public exponent ${exponent}; 65537 is usual`);
  }
  return "rsa";
}

/** RFC 5480 section 2.1.1: a curve is named; its numbers could be forged (CVE-2020-0601). */
function isCurveNamed(key: KeyObject): boolean {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  const spki = publicKey.export({ type: "spki", format: "der" });
  const algorithm = DerFields.ofSequence(spki, "the public key").nested();
  algorithm.oid();
  return algorithm.tag === DER_TAG.oid;
}

/** Signs on a thread of the pool, as the algorithm does by default. */
export async function signWith(
  key: KeyObject,
  algorithm: KeyAlgorithm,
  bytes: Uint8Array,
): Promise<Uint8Array> {
  return signing(DIGESTS[algorithm], bytes, key);
}

/**
 * Signs and verifies once. A key file carries the public half beside the private one, and OpenSSL does
 * not compare them: a certificate could match a key that can't sign for it.
 *
 * @throws AgentError `ERR_KEY_INVALID` when the halves don't belong together.
 */
export async function checkHalves(key: KeyObject, algorithm: KeyAlgorithm): Promise<void> {
  const sample = Buffer.from("microedge key check");
  let matches: boolean;
  try {
    const signature = await signWith(key, algorithm, sample);
    matches = verify(DIGESTS[algorithm], sample, createPublicKey(key), signature);
  } catch (cause) {
    throw new AgentError("ERR_KEY_INVALID", "the private key can't sign", { cause });
  }
  if (!matches) {
    throw new AgentError(
      "ERR_KEY_INVALID",
      "the private key and the public key in the file don't belong together",
    );
  }
}

function weak(what: string): AgentError {
  return new AgentError("ERR_KEY_WEAK", `the private key ${what}`);
}

/**
 * The private half of a fleet key: signs trust updates and time statements, on a machine without network. No
 * device ever has one.
 */
import { type KeyObject, sign } from "node:crypto";
import { AgentError } from "../base/errors.ts";
import type { Random } from "../host/random.ts";
import { encryptedKeyPem, pemOf } from "./exchange/key-export.ts";
import { readPkcs8, readPrivateKeyPem } from "./keys/private-key.ts";
import { type FleetKey, type FleetSigner, parseFleetKey } from "./time/time-statement.ts";

/** PKCS #8 of an Ed25519 key (RFC 8410 section 7): a fixed head, then the 32 bytes. */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");
const SEED_BYTES = 32;

export class FleetSigningKey implements FleetSigner {
  readonly key: FleetKey;
  /** The public half as it stands in `trust.update_keys` and `time.fleet_keys`. */
  readonly text: string;
  readonly #privateKey: KeyObject;

  /** @throws AgentError `ERR_KEY_INVALID` for a key of another kind. */
  constructor(privateKey: KeyObject) {
    const { asymmetricKeyType: kind } = privateKey;
    if (kind !== "ed25519") {
      const words = `a fleet key is Ed25519, and this one is ${kind ?? "none"}`;
      const fix = "make one with `microedge fleet init FILE`";
      throw new AgentError("ERR_KEY_INVALID", words, { fields: { fix } });
    }
    const { x = "" } = privateKey.export({ format: "jwk" });
    this.text = `ed25519:${Buffer.from(x, "base64url").toString("base64")}`;
    this.key = parseFleetKey(this.text);
    this.#privateKey = privateKey;
  }

  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, bytes, this.#privateKey));
  }
}

/**
 * A new key, and its file.
 *
 * @param passphrase `undefined`: the file is not encrypted.
 * @throws AgentError `ERR_KEY_PASSPHRASE` for one that is too short or too long.
 */
export async function createFleetKey(
  random: Random,
  passphrase: string | undefined,
): Promise<{ readonly pem: string; readonly key: FleetSigningKey }> {
  const pkcs8 = pkcs8OfSeed(random.bytes(SEED_BYTES));
  try {
    const key = new FleetSigningKey(readPkcs8(pkcs8));
    const pem =
      passphrase === undefined
        ? pemOf("PRIVATE KEY", pkcs8)
        : await encryptedKeyPem(pkcs8, passphrase, random);
    return { pem, key };
  } finally {
    pkcs8.fill(0);
  }
}

/**
 * @param pem PKCS#8, encrypted or not; `openssl genpkey -algorithm ed25519` makes such.
 * @throws AgentError `ERR_KEY_INVALID`, `ERR_KEY_PASSPHRASE`, `ERR_IMPORT_*`.
 */
export async function openFleetKey(
  pem: string,
  passphrase: string | undefined,
): Promise<FleetSigningKey> {
  return new FleetSigningKey(await readPrivateKeyPem(pem, passphrase));
}

/** @param seed The 32 bytes that are the private key (RFC 8032 section 5.1.5); wiped. */
function pkcs8OfSeed(seed: Uint8Array): Buffer {
  const der = Buffer.concat([PKCS8_HEAD, seed]);
  seed.fill(0);
  return der;
}

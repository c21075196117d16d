/**
 * Private keys in software: made or imported here, sealed before they reach the disk, and opened only
 * while the agent uses them.
 *
 * Octets of keys are overwritten when they are no longer needed, where that means something: in our own
 * buffers. What it can't reach: the string that Node's TLS wants as key and copies of it that the
 * garbage collector moves, KeyObjects (OpenSSL clears those when they are collected), and memory that
 * the kernel swapped out (`MemorySwapMax=0` in the unit).
 */
import { createHash, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { AgentError } from "../../base/errors.ts";
import type { Random } from "../../host/random.ts";
import type {
  CreatableAlgorithm,
  KeyAlgorithm,
  KeyProvider,
  KeyReference,
  OpenKey,
} from "./key-provider.ts";
import { algorithmOf, checkHalves, signWith } from "./key-strength.ts";
import { readPkcs8, readPrivateKeyPem } from "./private-key.ts";
import { sealKey, unsealKey } from "./sealed-envelope.ts";
import type { SealingKeySource } from "./sealing-key.ts";

const PROVIDER = "sealed";
/** In base64: an envelope is below 9 KiB. */
const MAX_LOCATOR_CHARACTERS = 12 * 1024;

const generate = promisify(generateKeyPair);

export interface SealedKeyOptions {
  readonly sealingKey: SealingKeySource;
  readonly random: Random;
  /** Whether the store holds sealed keys already; then a missing sealing key is not made anew. */
  readonly hasSealedKeys: () => boolean;
}

export class SealedKeyProvider implements KeyProvider {
  readonly #options: SealedKeyOptions;
  /** Whether this process sealed a key, which may not be in the store yet. */
  #sealedOne = false;

  constructor(options: SealedKeyOptions) {
    this.#options = options;
  }

  /** @throws AgentError `ERR_KEY_SEALING_*`. */
  async create(algorithm: CreatableAlgorithm): Promise<KeyReference> {
    return this.#seal(await newKey(algorithm));
  }

  /** @throws AgentError `ERR_KEY_INVALID`, `_WEAK`, `_PASSPHRASE`, `_SEALING_*`, `ERR_IMPORT_*`. */
  async import(privateKeyPem: string, passphrase?: string): Promise<KeyReference> {
    const key = await readPrivateKeyPem(privateKeyPem, passphrase);
    await checkHalves(key, algorithmOf(key));
    return this.#seal(key);
  }

  /** @throws AgentError `ERR_KEY_DAMAGED`, `ERR_KEY_INVALID` or `ERR_KEY_SEALING_*`. */
  async open(reference: KeyReference): Promise<OpenKey> {
    if (reference.provider !== PROVIDER) {
      throw new AgentError(
        "ERR_KEY_INVALID",
        `the key is kept by the provider "${reference.provider}", not in this store`,
      );
    }
    const sealed = envelopeOf(reference.locator);
    const pkcs8 = await this.#withSealingKey(false, (sealingKey) =>
      unsealKey(sealed, reference.spkiSha256, sealingKey),
    );
    let key: KeyObject;
    try {
      key = readPkcs8(pkcs8);
    } finally {
      pkcs8.fill(0);
    }
    const publicKey = createPublicKey(key);
    if (
      spkiSha256(publicKey) !== reference.spkiSha256 ||
      algorithmOf(key) !== reference.algorithm
    ) {
      throw new AgentError(
        "ERR_KEY_DAMAGED",
        "the sealed private key is not the one that its reference names",
      );
    }
    return new SoftwareKey(reference, publicKey, key);
  }

  async #seal(key: KeyObject): Promise<KeyReference> {
    const algorithm = algorithmOf(key);
    const digest = spkiSha256(createPublicKey(key));
    const pkcs8 = key.export({ type: "pkcs8", format: "der" });
    try {
      const mayCreate = !this.#sealedOne && !this.#options.hasSealedKeys();
      const sealed = await this.#withSealingKey(mayCreate, (sealingKey) =>
        sealKey({ pkcs8, spkiSha256: digest }, sealingKey, this.#options.random),
      );
      this.#sealedOne = true;
      const locator = Buffer.from(sealed).toString("base64");
      return { provider: PROVIDER, algorithm, spkiSha256: digest, locator };
    } finally {
      pkcs8.fill(0);
    }
  }

  /** The sealing key is read for each use, which are few, and does not lie in memory between them. */
  async #withSealingKey<T>(mayCreate: boolean, use: (sealingKey: Uint8Array) => T): Promise<T> {
    const sealingKey = await this.#options.sealingKey.read(mayCreate);
    try {
      return use(sealingKey);
    } finally {
      sealingKey.fill(0);
    }
  }
}

/** Shows nothing of the key when it is printed or turned into JSON. */
class SoftwareKey implements OpenKey {
  readonly reference: KeyReference;
  readonly publicKey: KeyObject;
  readonly #key: KeyObject;

  constructor(reference: KeyReference, publicKey: KeyObject, key: KeyObject) {
    this.reference = reference;
    this.publicKey = publicKey;
    this.#key = key;
  }

  /** PEM, because Node 24's TLS takes no KeyObject. */
  get tlsKey(): string {
    return this.#key.export({ type: "pkcs8", format: "pem" }).toString();
  }

  sign(bytes: Uint8Array): Promise<Uint8Array> {
    return signWith(this.#key, this.reference.algorithm, bytes);
  }

  exportPkcs8(): Uint8Array {
    return this.#key.export({ type: "pkcs8", format: "der" });
  }
}

/** SHA-256 of the SubjectPublicKeyInfo, hexadecimal: {@link KeyReference.spkiSha256}. */
export function spkiSha256(publicKey: KeyObject): string {
  const spki = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("hex");
}

async function newKey(algorithm: CreatableAlgorithm): Promise<KeyObject> {
  const kinds: Readonly<Record<KeyAlgorithm, () => Promise<{ privateKey: KeyObject }>>> = {
    "ecdsa-p256": () => generate("ec", { namedCurve: "P-256" }),
    "ecdsa-p384": () => generate("ec", { namedCurve: "P-384" }),
    ed25519: () => generate("ed25519"),
    // The type rules it out; a caller that reads the name from outside may not.
    rsa: () =>
      Promise.reject(
        new AgentError("ERR_KEY_WEAK", "RSA keys are imported, not created; create an ECDSA key"),
      ),
  };
  return (await kinds[algorithm]()).privateKey;
}

function envelopeOf(locator: string): Uint8Array {
  const bytes = Buffer.from(locator.slice(0, MAX_LOCATOR_CHARACTERS), "base64");
  if (bytes.toString("base64") !== locator) {
    throw new AgentError(
      "ERR_KEY_DAMAGED",
      "the sealed private key can't be opened: it is not base64, or too long",
    );
  }
  return bytes;
}

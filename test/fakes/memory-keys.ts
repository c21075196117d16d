/** Private keys in memory, for tests of what stands above the key provider. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { AgentError } from "#src/base/errors.ts";
import type { KeyProvider, KeyReference, OpenKey } from "#src/identity/keys/key-provider.ts";

export class MemoryKeys implements KeyProvider {
  readonly #keys = new Map<string, KeyObject>();
  /** SPKI digests of keys that can't be opened. */
  readonly lost = new Set<string>();

  async create(): Promise<KeyReference> {
    return this.#keep(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
  }

  async import(privateKeyPem: string): Promise<KeyReference> {
    return this.#keep(createPrivateKey(privateKeyPem));
  }

  async open(reference: KeyReference): Promise<OpenKey> {
    const key = this.#keys.get(reference.spkiSha256);
    if (key === undefined || this.lost.has(reference.spkiSha256)) {
      throw new AgentError("ERR_KEY_DAMAGED", "the key can't be opened");
    }
    return {
      reference,
      publicKey: createPublicKey(key),
      tlsKey: key.export({ type: "pkcs8", format: "pem" }).toString(),
      sign: async (bytes) => sign("sha256", bytes, key),
      exportPkcs8: () => key.export({ type: "pkcs8", format: "der" }),
    };
  }

  #keep(key: KeyObject): KeyReference {
    const der = createPublicKey(key).export({ type: "spki", format: "der" });
    const spkiSha256 = createHash("sha256").update(der).digest("hex");
    this.#keys.set(spkiSha256, key);
    return { provider: "memory", algorithm: "ecdsa-p256", spkiSha256, locator: spkiSha256 };
  }
}

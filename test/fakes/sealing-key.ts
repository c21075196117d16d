/** A sealing key that is always there, and what proves that octets of a key are nowhere in a text. */
import { createPrivateKey } from "node:crypto";
import { systemRandom } from "#src/host/random.ts";
import { SealedKeyProvider } from "#src/identity/keys/sealed-key-provider.ts";
import type { SealingKeySource } from "#src/identity/keys/sealing-key.ts";

export class FixedSealingKey implements SealingKeySource {
  readonly kind = "fixed";
  readonly description = "a key of the test";
  /** What `read` was asked for. */
  readonly reads: boolean[] = [];
  /** The buffers that were given out, to see that they were overwritten. */
  readonly given: Uint8Array[] = [];
  key: Uint8Array;

  constructor(key: Uint8Array = systemRandom.bytes(32)) {
    this.key = key;
  }

  async read(mayCreate: boolean): Promise<Uint8Array> {
    this.reads.push(mayCreate);
    const copy = Uint8Array.from(this.key);
    this.given.push(copy);
    return copy;
  }

  async destroy(): Promise<{ complete: boolean; remains: undefined }> {
    this.key = systemRandom.bytes(32);
    return { complete: true, remains: undefined };
  }
}

export function sealedKeys(
  sealingKey: SealingKeySource = new FixedSealingKey(),
): SealedKeyProvider {
  return new SealedKeyProvider({ sealingKey, random: systemRandom, hasSealedKeys: () => false });
}

/** Octets in a row that are enough to be no coincidence. */
const WINDOW = 12;

/**
 * Where octets of a secret stand in a text, in hexadecimal, base64 (at any alignment, in URL form, with
 * line breaks), as JSON numbers, or raw; `undefined` when nowhere.
 */
export function secretIn(text: string, secret: Uint8Array): string | undefined {
  const plain = text.replace(/\\n|[\s"\\]/g, "");
  const bare = plain.replaceAll("-", "+").replaceAll("_", "/");
  for (let at = 0; at + WINDOW <= secret.length; at++) {
    const part = Buffer.from(secret.subarray(at, at + WINDOW));
    // Constant parts of a key file (object identifiers) are no secret: the caller passes the scalar.
    if (plain.toLowerCase().includes(part.toString("hex"))) return `hexadecimal, octet ${at}`;
    if (bare.includes(part.toString("base64").slice(0, 16))) return `base64, octet ${at}`;
    if (plain.includes([...part].join(","))) return `numbers, octet ${at}`;
    if (text.includes(part.toString("latin1"))) return `raw, octet ${at}`;
  }
  return undefined;
}

/** The secret numbers of a private key in PEM, without what every key of its kind has in common. */
export function secretsOf(keyPem: string): Uint8Array[] {
  const { d, p, q } = createPrivateKey(keyPem).export({ format: "jwk" });
  return [d, p, q].flatMap((part) =>
    typeof part === "string" ? [Uint8Array.from(Buffer.from(part, "base64url"))] : [],
  );
}

/**
 * A generation in memory: its key opened, its certificate read, and its digest compared once more with
 * what stands in the store.
 */
import { createHash } from "node:crypto";
import { AgentError } from "../base/errors.ts";
import type { KeyProvider, OpenKey } from "../identity/keys/key-provider.ts";
import { materialDigest } from "../identity/material-digest.ts";
import type { Generation } from "../identity/store/generation.ts";
import type { TlsMaterial } from "../identity/tls-material.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";

export interface Snapshot {
  readonly generation: Generation;
  readonly leaf: Certificate;
  readonly key: OpenKey;
  /** Without further trust domains: those are not part of a generation. */
  readonly material: TlsMaterial;
}

/**
 * @throws AgentError `ERR_KEY_*` when the key can't be opened; `ERR_CERT_LOCAL` when the key is not the
 *   certificate's, or chain and trust bundle are not what the generation's digest says;
 *   `ERR_CERT_INVALID` when a certificate can't be read.
 */
export async function openSnapshot(generation: Generation, keys: KeyProvider): Promise<Snapshot> {
  const { number, chainPem, trustBundlePem } = generation;
  const digest = materialDigest({ chainPem, trustBundlePem });
  if (digest !== generation.digest) {
    throw new AgentError(
      "ERR_CERT_LOCAL",
      `generation ${number} is not what was written: its digest is ${digest}, and ${generation.digest} was written`,
    );
  }
  const leaf = parseCertificate(chainPem);
  const key = await keys.open(generation.key);
  if (spkiSha256(leaf) !== key.reference.spkiSha256 || !isPublicKeyOf(key, leaf)) {
    throw new AgentError(
      "ERR_CERT_LOCAL",
      `the key of generation ${number} is of another certificate`,
    );
  }
  return {
    generation,
    leaf,
    key,
    material: { chainPem, key: key.tlsKey, trustBundlePem, digest },
  };
}

function spkiSha256({ publicKey }: Certificate): string {
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("hex");
}

function isPublicKeyOf({ publicKey }: OpenKey, leaf: Certificate): boolean {
  return leaf.publicKey.equals(publicKey);
}

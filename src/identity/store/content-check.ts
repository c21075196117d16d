/**
 * What may become a generation: a key, its certificate and a trust bundle that belong together. Where
 * key and certificate were two files written one after the other, a power cut between them has left
 * devices with a pair that fits no more; here they are judged, written and read as one. Pure.
 */
import { createHash, X509Certificate } from "node:crypto";
import { AgentError, errorText } from "../../base/errors.ts";
import { splitPem } from "../pem.ts";
import type { GenerationContent } from "./generation.ts";

/** Ten times what real devices need; as for files, see file-source.ts. Bytes. */
const MAX_BYTES = { chainPem: 256 * 1024, trustBundlePem: 1024 * 1024, locator: 64 * 1024 };

/**
 * Returns the digest of the content, as `TlsMaterial.digest` has it.
 *
 * @param expected The digest of what was validated, if the caller has one.
 * @throws AgentError `ERR_STORE_CONTENT` with the first reason.
 */
export function checkContent(content: GenerationContent, expected?: string): string {
  const { chainPem, trustBundlePem, key } = content;
  const sizes = { chainPem, trustBundlePem, locator: key.locator };
  for (const part of ["chainPem", "trustBundlePem", "locator"] as const) {
    if (sizes[part].length > MAX_BYTES[part]) {
      throw refusal(`${part} is larger than ${MAX_BYTES[part]} bytes`);
    }
  }
  const [leaf, ...others] = certificates(chainPem, "the chain");
  if (leaf === undefined) throw refusal("the chain holds no certificate");
  const spki = leaf.publicKey.export({ type: "spki", format: "der" });
  if (createHash("sha256").update(spki).digest("hex") !== key.spkiSha256) {
    throw refusal("the key is not the one in the certificate");
  }
  const digest = createHash("sha256");
  for (const { raw } of [leaf, ...others]) digest.update(raw);
  for (const { raw } of certificates(trustBundlePem, "the trust bundle")) digest.update(raw);
  const found = digest.update(spki).digest("hex");
  if (expected !== undefined && expected !== found) {
    throw refusal(`digest ${found} is not that of what was validated, ${expected}`);
  }
  return found;
}

function certificates(pem: string, where: string): X509Certificate[] {
  return splitPem(pem)
    .filter(({ label }) => label === "CERTIFICATE")
    .map(({ text }) => {
      try {
        return new X509Certificate(text);
      } catch (cause) {
        throw refusal(`${where} can't be read: ${errorText(cause)}`, cause);
      }
    });
}

function refusal(why: string, cause?: unknown): AgentError {
  return new AgentError("ERR_STORE_CONTENT", why, cause === undefined ? {} : { cause });
}

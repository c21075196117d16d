/**
 * The digest that tells one identity from another: what was validated, written, read back and published
 * has the same. Pure.
 */
import { createHash, X509Certificate } from "node:crypto";
import { AgentError } from "../base/errors.ts";
import { splitPem } from "./pem.ts";
import type { DomainBundle } from "./tls-material.ts";

export interface DigestedTexts {
  /** Leaf first. */
  readonly chainPem: string;
  readonly trustBundlePem: string;
  /** Default none. */
  readonly trustDomains?: readonly DomainBundle[];
}

/**
 * SHA-256, hexadecimal, over the DER of chain and trust bundle, further trust domains, and the leaf's
 * public key. White space and comments of the PEM don't count; the order of certificates does.
 *
 * @throws AgentError `ERR_CERT_INVALID` when a certificate can't be read or the chain is empty.
 */
export function materialDigest(texts: DigestedTexts): string {
  const { chainPem, trustBundlePem, trustDomains = [] } = texts;
  const digest = createHash("sha256");
  const chain = certificatesOf(chainPem);
  for (const { raw } of [...chain, ...certificatesOf(trustBundlePem)]) digest.update(raw);
  for (const { name, pem } of trustDomains) {
    digest.update(`\0${name}\0`);
    for (const { raw } of certificatesOf(pem)) digest.update(raw);
  }
  const [leaf] = chain;
  if (leaf === undefined) throw new AgentError("ERR_CERT_INVALID", "the chain is empty");
  digest.update(leaf.publicKey.export({ type: "spki", format: "der" }));
  return digest.digest("hex");
}

function certificatesOf(pem: string): X509Certificate[] {
  try {
    return splitPem(pem)
      .filter(({ label }) => label.endsWith("CERTIFICATE"))
      .map(({ text }) => new X509Certificate(text));
  } catch (cause) {
    throw new AgentError("ERR_CERT_INVALID", "a certificate can't be read", { cause });
  }
}

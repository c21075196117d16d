/**
 * Turns the texts of certificate, key and trust bundle into material, or says everything that is
 * wrong with them at once. Pure but for OpenSSL's own look at the pair.
 *
 * Dates are warnings here: a device whose clock says 1970 must still start and be reachable; the
 * caller decides when they forbid a replacement.
 */
import { createPrivateKey } from "node:crypto";
import { createSecureContext } from "node:tls";
import { errorText } from "../base/errors.ts";
import { explainChain } from "./chain-explanation.ts";
import { materialDigest } from "./material-digest.ts";
import { findProblems } from "./peer-checks.ts";
import { isCutOff, isEncryptedKey, isKeyBlock, splitPem } from "./pem.ts";
import type { DomainBundle, TlsMaterial } from "./tls-material.ts";
import { parseTrustBundle, type TrustBundle } from "./trust-bundle.ts";
import { type Certificate, parseCertificate } from "./x509/certificate.ts";

export interface MaterialTexts {
  readonly chainPem: string;
  readonly keyPem: string;
  readonly trustBundlePem: string;
  /** Of further trust domains; default none. */
  readonly trustDomains?: readonly DomainBundle[];
}

export interface MaterialReport {
  /** `undefined` when there is any fault. */
  readonly material: TlsMaterial | undefined;
  readonly leaf: Certificate | undefined;
  /** Why this material can't be used; each begins with the configuration key it is about. */
  readonly faults: readonly string[];
  /** What works now but deserves a look. */
  readonly warnings: readonly string[];
}

export function checkMaterial(texts: MaterialTexts, nowMs: number): MaterialReport {
  const faults: string[] = [];
  const chain = readChain(texts.chainPem, faults);
  const bundle = readBundle("tls.ca", texts.trustBundlePem, faults);
  const trustDomains = texts.trustDomains ?? [];
  const domains = trustDomains.map(({ name, pem }) => ({
    name,
    bundle: readBundle(domainKey(name), pem, faults),
  }));
  const [leaf] = chain;
  checkKey(texts.keyPem, leaf, faults);
  if (faults.length === 0) tryContext(texts, faults);
  if (faults.length > 0 || leaf === undefined) {
    return { material: undefined, leaf, faults, warnings: [] };
  }
  const { chainPem, keyPem, trustBundlePem } = texts;
  return {
    material: {
      chainPem,
      key: keyPem,
      trustBundlePem,
      trustDomains,
      digest: materialDigest({ chainPem, trustBundlePem, trustDomains }),
    },
    leaf,
    faults,
    warnings: [
      ...findWarnings(leaf, chain.slice(1), bundle, nowMs),
      ...domains.flatMap(({ name, bundle }) => bundleWarnings(domainKey(name), bundle, nowMs)),
      ...(domains.length === 0 ? [] : openEnds("tls.ca", bundle)),
      ...domains.flatMap(({ name, bundle }) => openEnds(domainKey(name), bundle)),
    ],
  };
}

function readChain(pem: string, faults: string[]): Certificate[] {
  const blocks = splitPem(pem).filter(({ label }) => label.endsWith("CERTIFICATE"));
  if (isCutOff(pem)) faults.push("tls.cert: the file is cut off: a block begins and does not end");
  else if (blocks.length === 0) faults.push("tls.cert: the file holds no PEM certificate");
  const chain: Certificate[] = [];
  for (const [index, { text }] of blocks.entries()) {
    try {
      chain.push(parseCertificate(text));
    } catch (error) {
      faults.push(`tls.cert: certificate ${index + 1}: ${errorText(error)}`);
      return [];
    }
  }
  if (chain[0]?.ca === true && chain.length > 1) {
    faults.push("tls.cert: the first certificate is an authority's; put the leaf first");
    return chain;
  }
  for (const [index, certificate] of chain.slice(0, -1).entries()) {
    const issuer = chain[index + 1];
    if (issuer === undefined || isIssuedBy(certificate, issuer)) continue;
    faults.push(
      `tls.cert: certificate ${index + 2} ("${issuer.summary.subject}") did not issue certificate ` +
        `${index + 1} ("${certificate.summary.subject}"); order them leaf first, each followed by its issuer`,
    );
  }
  return chain;
}

function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  return certificate.x509.checkIssued(issuer.x509) && certificate.x509.verify(issuer.publicKey);
}

/** A further trust domain as messages name it. */
export function domainKey(name: string): string {
  return `acl.trust_domain ${name}`;
}

function readBundle(key: string, pem: string, faults: string[]): TrustBundle {
  try {
    return parseTrustBundle(pem);
  } catch (error) {
    faults.push(`${key}: ${errorText(error)}`);
    return [];
  }
}

function checkKey(pem: string, leaf: Certificate | undefined, faults: string[]): void {
  const keys = splitPem(pem).filter(isKeyBlock);
  const [block] = keys;
  if (isCutOff(pem)) {
    faults.push("tls.key: the file is cut off: a block begins and does not end");
    return;
  }
  if (block === undefined) {
    // Formats of hardware keys are many: OpenSSL's own look at the pair judges those.
    if (!pem.includes("-----BEGIN ")) faults.push("tls.key: the file holds no PEM private key");
    return;
  }
  if (keys.length > 1) faults.push(`tls.key: the file holds ${keys.length} keys; it must hold one`);
  if (isEncryptedKey(block)) {
    faults.push(
      "tls.key: the key is encrypted with a passphrase, which an agent can't type; decrypt it with " +
        "`openssl pkey -in KEY -out PLAIN` and protect the file by its permissions",
    );
    return;
  }
  if (block.label === "PKCS#11 PROVIDER URI") return;
  try {
    const key = createPrivateKey(block.text);
    if (leaf !== undefined && !leaf.x509.checkPrivateKey(key)) {
      faults.push("tls.key: the key does not belong to the certificate in tls.cert");
    }
  } catch {
    // The reason that OpenSSL gives names internals and helps nobody; the text may quote the key.
    faults.push("tls.key: the private key can't be read; is the file whole?");
  }
}

/** Last, what will really be used: OpenSSL also refuses weak keys here. */
function tryContext({ chainPem, keyPem, trustBundlePem }: MaterialTexts, faults: string[]): void {
  try {
    createSecureContext({ cert: chainPem, key: keyPem, ca: trustBundlePem });
  } catch (error) {
    const reason = (error as { reason?: unknown }).reason;
    faults.push(
      `tls.cert, tls.key: OpenSSL can't use this pair (${typeof reason === "string" ? reason : "no reason given"})`,
    );
  }
}

function findWarnings(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  bundle: TrustBundle,
  nowMs: number,
): string[] {
  const found = new Set<string>();
  for (const role of ["server", "client"] as const) {
    for (const { words } of findProblems(leaf, { nowMs, role })) found.add(`tls.cert: it ${words}`);
  }
  for (const { words } of explainChain(leaf, intermediates, bundle, nowMs)) {
    found.add(`tls.cert: it ${words}; peers with the same trust bundle will refuse it`);
  }
  for (const warning of bundleWarnings("tls.ca", bundle, nowMs)) found.add(warning);
  return [...found];
}

function bundleWarnings(key: string, bundle: TrustBundle, nowMs: number): string[] {
  return bundle.flatMap(({ summary, ca }) => [
    ...(ca ? [] : [`${key}: "${summary.subject}" is not an authority's certificate`]),
    ...(nowMs > summary.notAfter ? [`${key}: "${summary.subject}" has expired`] : []),
  ]);
}

/** Authorities of a bundle that can place nobody: with several trust domains each bundle stands alone. */
function openEnds(key: string, bundle: TrustBundle): string[] {
  return bundle
    .filter(({ ca, selfSigned }) => ca && !selfSigned)
    .filter((authority) => !bundle.some((issuer) => isIssuedBy(authority, issuer)))
    .map(
      ({ summary }) =>
        `${key}: the issuer of "${summary.subject}" is not in the same bundle, so no peer is placed by it; add "${summary.issuer}"`,
    );
}

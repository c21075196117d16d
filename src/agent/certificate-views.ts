/**
 * Certificates and keys as `cert show`, `cert history` and `status` show them. Pure.
 */
import { createHash, type KeyObject } from "node:crypto";
import type { KeyReference } from "../identity/keys/key-provider.ts";
import { splitPem } from "../identity/pem.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";
import { spiffeIdFault } from "../identity/x509/spiffe-id.ts";
import type { CertificateView, KeyView } from "../sidecar/certificate-operations.ts";

export function certificateView({ summary, names }: Certificate): CertificateView {
  const { subject, issuer, serial, fingerprint, notBefore, notAfter } = summary;
  return {
    subject,
    issuer,
    serial,
    sha256: fingerprint,
    names: { dns: names.dnsNames, ip: names.ipAddresses, uri: names.uris },
    spiffeId: spiffeIdOf(names.uris),
    notBefore,
    notAfter,
  };
}

/** A certificate has one URI name or none that counts (X.509-SVID, section 2). */
function spiffeIdOf([uri, ...more]: readonly string[]): string | undefined {
  if (uri === undefined || more.length > 0 || spiffeIdFault(uri) !== undefined) return undefined;
  return uri;
}

/** A key that lies in a file. */
export function fileKeyView(publicKey: KeyObject, path: string): KeyView {
  const spki = publicKey.export({ type: "spki", format: "der" });
  return {
    algorithm: algorithmOf(publicKey),
    spkiSha256: createHash("sha256").update(spki).digest("hex"),
    location: path,
  };
}

const CURVES = { prime256v1: "ecdsa-p256", secp384r1: "ecdsa-p384" } as const;

function algorithmOf(key: KeyObject): KeyView["algorithm"] {
  if (key.asymmetricKeyType === "ed25519") return "ed25519";
  if (key.asymmetricKeyType === "rsa") return "rsa";
  const curve = key.asymmetricKeyDetails?.namedCurve ?? "";
  return Object.hasOwn(CURVES, curve) ? CURVES[curve as keyof typeof CURVES] : "unknown";
}

/** A key of the store: one that is sealed in it lies nowhere else. */
export function keyView({ provider, algorithm, spkiSha256, locator }: KeyReference): KeyView {
  return {
    algorithm,
    spkiSha256,
    location: provider === "sealed" ? "sealed in the store" : locator,
  };
}

/** Subjects of the chain above its leaf. */
export function intermediatesOf(chainPem: string): readonly string[] {
  const [, ...above] = splitPem(chainPem);
  return above.map(({ text }) => parseCertificate(text).summary.subject);
}

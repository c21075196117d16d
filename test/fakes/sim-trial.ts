/**
 * OpenSSL's part in a simulation: a handshake of the candidate with itself whose clock is the device's own,
 * right or wrong. Signatures, keys and dates are really looked at; only the handshake is not made.
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { splitPem } from "#src/identity/pem.ts";
import { parseTrustBundle } from "#src/identity/trust-bundle.ts";
import type { HandshakeTrial, TrialVerdict } from "#src/identity/validator/candidate-report.ts";
import { findPaths, type IssuerPath, Issuers } from "#src/identity/validator/issuer-paths.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";

/** @param nowMs The machine's clock, Unix ms. */
export function simTrial(nowMs: () => number): HandshakeTrial {
  return {
    async run({ chainPem, trustBundlePem, tlsKey }) {
      const [leaf, ...others] = splitPem(chainPem).map(({ text }) => parseCertificate(text));
      if (leaf === undefined) return { kind: "failed", step: "load", cause: "no start line" };
      if (!leaf.x509.checkPrivateKey(keyOf(tlsKey))) {
        return { kind: "failed", step: "load", cause: "key values mismatch" };
      }
      const bundle = parseTrustBundle(trustBundlePem);
      const paths = findPaths(leaf, bundle, new Issuers([leaf, ...others, ...bundle]));
      const verdicts = paths.map((path) => datesOf(path, nowMs()));
      const verdict =
        verdicts.length === 0
          ? "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"
          : verdicts.find((each) => each !== undefined);
      return { kind: "done", server: verdict, client: verdict };
    },
  };
}

function datesOf(path: IssuerPath, atMs: number): TrialVerdict {
  for (const { summary } of path) {
    if (atMs < summary.notBefore) return "CERT_NOT_YET_VALID";
    if (atMs > summary.notAfter) return "CERT_HAS_EXPIRED";
  }
  return undefined;
}

function keyOf(key: string | KeyObject): KeyObject {
  return typeof key === "string" ? createPrivateKey(key) : key;
}

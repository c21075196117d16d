/**
 * What we offer and accept in a TLS handshake. One place, for listener, dialer and probe.
 */
import { constants } from "node:crypto";
import type { SecureContextOptions } from "node:tls";

export type MinVersion = "1.3" | "1.2";

/**
 * Key exchange groups, best first: the post-quantum hybrid that Go offers by itself since 1.24, then
 * the two that everybody has. Without secp521r1 and X448, which cost a small CPU much and add nothing.
 */
export const GROUPS = "X25519MLKEM768:X25519:P-256:P-384";

/** TLS 1.3 first; of TLS 1.2 only what has forward secrecy and authenticated encryption (RFC 9325). */
export const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** How long a session ticket may spare the full handshake, in seconds. */
export const SESSION_SECONDS = 3600;

/** Options of every secure context of ours, but for certificate, key and bundle. */
export function policyOptions(minVersion: MinVersion): SecureContextOptions {
  return {
    minVersion: minVersion === "1.2" ? "TLSv1.2" : "TLSv1.3",
    maxVersion: "TLSv1.3",
    ecdhCurve: GROUPS,
    ciphers: CIPHERS,
    honorCipherOrder: true,
    sessionTimeout: SESSION_SECONDS,
    // A peer without AES instructions asks for ChaCha20 first: let it have it.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_PRIORITIZE_CHACHA,
  };
}

/**
 * What a TLS endpoint needs to show who it is and to judge who it meets, and the port by which it gets
 * it. Files fill the port now; the certificate store will.
 *
 * Nothing may assume that private bytes are at hand: `key` is whatever Node's TLS takes, which for a
 * hardware key is a reference.
 */
import type { KeyObject } from "node:crypto";

export interface TlsMaterial {
  /** Leaf first, then intermediates, PEM. */
  readonly chainPem: string;
  /** PEM text, or a handle to a key that can't be read. */
  readonly key: string | KeyObject;
  /** Trust bundle for peers, PEM. */
  readonly trustBundlePem: string;
  /** Bundles of further trust domains, for inbound peers only; default none. */
  readonly trustDomains?: readonly DomainBundle[];
  /** SHA-256 over chain, public key and trust bundle, hexadecimal: tells two materials apart in logs. */
  readonly digest: string;
}

export interface DomainBundle {
  readonly name: string;
  readonly pem: string;
}

export interface TlsMaterialSource {
  /** @throws AgentError `ERR_IDENTITY_NONE` while there is none, see {@link absent}. */
  readonly current: TlsMaterial;
  /** Why there is no material yet, for people: a device that nobody has given a certificate. */
  readonly absent?: string | undefined;
  /** Calls `listener` after each change; returns the function that ends it. */
  subscribe(listener: (material: TlsMaterial) => void): () => void;
}

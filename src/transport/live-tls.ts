/**
 * The material that is in force, in the forms that sockets need, always the current one.
 *
 * On a change: new handshakes use the new material, open connections go on with the old, and session
 * tickets of the old are dead (each secure context has its own ticket keys; tested).
 */
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import type { TlsMaterial, TlsMaterialSource } from "../identity/tls-material.ts";
import { parseTrustBundle, type TrustBundle } from "../identity/trust-bundle.ts";
import type { TrustDomain } from "../identity/trust-domain.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";
import { type MinVersion, policyOptions } from "./tls-policy.ts";

export class LiveTls implements Disposable {
  readonly #source: TlsMaterialSource;
  readonly #minVersion: MinVersion;
  readonly #unsubscribe: () => void;
  readonly #listeners = new Set<() => void>();
  #domains: readonly TrustDomain[] | undefined;
  #leaf: Certificate | undefined;
  #clientContext: SecureContext | undefined;

  constructor(source: TlsMaterialSource, minVersion: MinVersion) {
    this.#source = source;
    this.#minVersion = minVersion;
    this.#unsubscribe = source.subscribe(() => {
      this.#domains = undefined;
      this.#leaf = undefined;
      this.#clientContext = undefined;
      for (const listener of this.#listeners) listener();
    });
  }

  get material(): TlsMaterial {
    return this.#source.current;
  }

  /** The bundles read into certificates, to place inbound peers and to explain verdicts. First that of `tls.ca`. */
  get domains(): readonly TrustDomain[] {
    const { trustBundlePem, trustDomains = [] } = this.#source.current;
    this.#domains ??= [{ name: "", pem: trustBundlePem }, ...trustDomains].map(({ name, pem }) => ({
      name,
      bundle: parseTrustBundle(pem),
    }));
    return this.#domains;
  }

  /** The bundle of `tls.ca`, which alone vouches for servers that we call. */
  get bundle(): TrustBundle {
    return this.domains[0]?.bundle ?? [];
  }

  /** Our own certificate, the first of the chain; read on first use after each change. */
  get leaf(): Certificate {
    this.#leaf ??= parseCertificate(this.#source.current.chainPem);
    return this.#leaf;
  }

  /** Options for a server's secure context: the authorities of all trust domains. */
  serverOptions(): SecureContextOptions {
    const { trustBundlePem, trustDomains = [] } = this.#source.current;
    const ca = [trustBundlePem, ...trustDomains.map(({ pem }) => pem)];
    return { ...this.#ownOptions(), ca };
  }

  #ownOptions(): SecureContextOptions {
    const { chainPem, key, trustBundlePem } = this.#source.current;
    return {
      ...policyOptions(this.#minVersion),
      cert: chainPem,
      // A KeyObject is passed on as it is; Node's types know only its text forms.
      key: key as string,
      ca: trustBundlePem,
    };
  }

  /** The context for connections that we open; made on first use after each change. */
  clientContext(): SecureContext {
    this.#clientContext ??= createSecureContext(this.#ownOptions());
    return this.#clientContext;
  }

  /** Calls `listener` after each change; returns the function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#listeners.clear();
  }
}

/**
 * The identity in force, out of the certificate store: one observable, many subscribers (listener,
 * dialer, client pools, ...). Publishing is synchronous, so that no handshake sees half a change.
 */
import { AgentError } from "../base/errors.ts";
import { materialDigest } from "../identity/material-digest.ts";
import type { DomainBundle, TlsMaterial, TlsMaterialSource } from "../identity/tls-material.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import type { Snapshot } from "./snapshot.ts";

export class StoreSource implements TlsMaterialSource {
  readonly #listeners = new Set<(material: TlsMaterial) => void>();
  #domains: readonly DomainBundle[];
  #snapshot: Snapshot | undefined;
  #material: TlsMaterial | undefined;

  /** @param trustDomains Bundles of further trust domains, already checked. */
  constructor(trustDomains: readonly DomainBundle[] = []) {
    this.#domains = trustDomains;
  }

  /** @throws AgentError `ERR_IDENTITY_NONE` while the store is empty. */
  get current(): TlsMaterial {
    if (this.#material !== undefined) return this.#material;
    throw new AgentError("ERR_IDENTITY_NONE", this.absent ?? "");
  }

  get absent(): string | undefined {
    if (this.#material !== undefined) return undefined;
    return "the certificate store is empty: `microedge enroll` has a certificate made, `microedge cert import` brings one";
  }

  /** What is published; `undefined` while the store is empty. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** Our own certificate, for status and doctor. */
  get leaf(): Certificate | undefined {
    return this.#snapshot?.leaf;
  }

  subscribe(listener: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Puts a generation in force. Every subscriber hears of it, also after one has thrown.
   *
   * @returns What subscribers threw; empty when all have taken it over.
   */
  publish(snapshot: Snapshot): readonly unknown[] {
    this.#snapshot = snapshot;
    return this.#tell(snapshot);
  }

  /** Other bundles of further trust domains, already checked; they take effect at once. */
  follow(trustDomains: readonly DomainBundle[]): readonly unknown[] {
    this.#domains = trustDomains;
    return this.#snapshot === undefined ? [] : this.#tell(this.#snapshot);
  }

  #tell({ material }: Snapshot): readonly unknown[] {
    const trustDomains = this.#domains;
    const whole = { ...material, trustDomains };
    const digest = trustDomains.length === 0 ? material.digest : materialDigest(whole);
    if (digest === this.#material?.digest && material.key === this.#material.key) return [];
    const published: TlsMaterial = { ...whole, digest };
    this.#material = published;
    const thrown: unknown[] = [];
    for (const listener of [...this.#listeners]) {
      try {
        listener(published);
      } catch (error) {
        thrown.push(error);
      }
    }
    return thrown;
  }
}

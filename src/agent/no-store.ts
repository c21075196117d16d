/**
 * The answers of an agent that has no certificate store.
 */
import { AgentError } from "../base/errors.ts";
import type {
  CertificateOperations,
  OwnCertificateView,
  TrustView,
} from "../sidecar/certificate-operations.ts";

/** Everything rejects with `ERR_STORE_NONE`. */
export class NoStore implements CertificateOperations {
  readonly #why: string;

  /** @param why In words, after "there is no certificate store: ". */
  constructor(why: string) {
    this.#why = why;
  }

  show(): Promise<OwnCertificateView> {
    return this.#none();
  }

  trust(): Promise<TrustView> {
    return this.#none();
  }

  install(): Promise<never> {
    return this.#none();
  }

  enroll(): Promise<never> {
    return this.#none();
  }

  export(): Promise<never> {
    return this.#none();
  }

  history(): Promise<never> {
    return this.#none();
  }

  replaceTrust(): Promise<never> {
    return this.#none();
  }

  keys(): Promise<never> {
    return this.#none();
  }

  createKey(): Promise<never> {
    return this.#none();
  }

  async #none(): Promise<never> {
    throw new AgentError("ERR_STORE_NONE", `there is no certificate store: ${this.#why}`);
  }
}

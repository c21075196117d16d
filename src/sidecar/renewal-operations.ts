/**
 * What can be asked of renewal: of a running agent over the control socket, or of the store while no agent
 * runs. Both answer the same.
 *
 * | request | answer |
 * |---|---|
 * | `GET /v1/renewal` | when the certificate is renewed, and how the last attempt went |
 * | `POST /v1/renewal` | renews now; answers when the new certificate is in force |
 */
import type { RenewalView } from "../rotation/renewal-ports.ts";
import type { CertificateView } from "./certificate-operations.ts";

export interface RenewedView {
  readonly generation: number;
  readonly leaf: CertificateView;
  /** What the authority remarked: a life shorter than before, and the like. */
  readonly remarks: readonly string[];
  readonly renewal: RenewalView;
}

export interface RenewalOperations {
  /** @throws AgentError `ERR_ISSUER_NONE`, `ERR_STORE_NONE`. */
  view(): Promise<RenewalView>;
  /**
   * Renews now, due or not.
   *
   * @throws AgentError with the code of what failed; the queue goes on with it.
   */
  renew(): Promise<RenewedView>;
}

type Members = Readonly<Record<string, unknown>>;
type Ask = (method: "GET" | "POST", path: string, body?: Members) => Promise<Members>;

/** By method and path. */
export function renewalRoutes(
  operations: RenewalOperations,
): ReadonlyMap<string, (members: Members) => Promise<unknown>> {
  return new Map<string, (members: Members) => Promise<unknown>>([
    ["GET /v1/renewal", () => operations.view()],
    ["POST /v1/renewal", () => operations.renew()],
  ]);
}

/** {@link RenewalOperations} of an agent in another process. */
export class RenewalClient implements RenewalOperations {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async view(): Promise<RenewalView> {
    return (await this.#ask("GET", "/v1/renewal")) as unknown as RenewalView;
  }

  async renew(): Promise<RenewedView> {
    return (await this.#ask("POST", "/v1/renewal", {})) as unknown as RenewedView;
  }
}

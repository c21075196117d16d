/**
 * Where the device's own certificate comes from, as the composition sees it: three files that somebody
 * else writes, or the certificate store.
 */
import type { ReloadOutcome } from "../identity/file-source.ts";
import type { TlsMaterialSource } from "../identity/tls-material.ts";
import type { Certificate } from "../identity/x509/certificate.ts";
import type { CertificateOperations, IdentityView } from "../sidecar/certificate-operations.ts";
import type { AgentConfig } from "./config.ts";

export interface OwnIdentity extends AsyncDisposable {
  readonly source: TlsMaterialSource;
  /** `undefined` while the store is empty. */
  readonly leaf: Certificate | undefined;
  /** What is in force but deserves a look. */
  readonly warnings: readonly string[];
  /** Why what is newer is not in force; `undefined` when nothing is newer. */
  readonly refusal: string | undefined;
  readonly certificates: CertificateOperations;
  view(): IdentityView;
  /** Live keys of a configuration that was read again. */
  apply(config: AgentConfig): void;
  /** Looks at files again. */
  reload(): Promise<ReloadOutcome>;
}

/** What the identity is told of the rest of the agent, for `cert show`. */
export interface IdentityUse {
  /** Where the certificate is shown: `listener 0.0.0.0:8443`. */
  usedBy(): readonly string[];
}

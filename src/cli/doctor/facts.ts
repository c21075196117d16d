/**
 * What `doctor` judges: everything it has to look at, looked at once. Nothing here throws; what could
 * not be found out is a {@link Missing} with its reason.
 */
import type { LoadedConfig } from "../../agent/config.ts";
import type { Target } from "../../guard/policy.ts";
import type { ReadAhead } from "../../host/read-ahead.ts";
import type { TrustBundle } from "../../identity/trust-bundle.ts";
import type { Certificate } from "../../identity/x509/certificate.ts";
import type { ClockView, StatusView } from "../../sidecar/admin-operations.ts";
import type { IdentityView, KeyView } from "../../sidecar/certificate-operations.ts";

export interface Missing {
  readonly missing: string;
  /** Code of the error (`ENOENT`, `ERR_CONFIG_INVALID`), where there was one. */
  readonly code: string | undefined;
  /** What its error says to do, where it was one of ours. */
  readonly fix?: string;
}

export type Fact<T> = T | Missing;

export function isMissing(fact: unknown): fact is Missing {
  return typeof fact === "object" && fact !== null && "missing" in fact;
}

export interface PathFact {
  readonly path: string;
  readonly kind: "file" | "directory" | "socket" | "other";
  /** Permission bits. */
  readonly mode: number;
  /** Owner's user id. */
  readonly uid: number;
}

export interface FileFact extends PathFact {
  readonly text: string;
}

/** How a TLS handshake with our own listener went. */
export interface HandshakeFact {
  readonly address: string;
  readonly good: boolean;
  /** What happened, in words. */
  readonly words: string;
  readonly fix: string | undefined;
}

/** Where the key comes from that seals the others. */
export interface SealingFact {
  /** `device-file`, `tpm2`, ... */
  readonly kind: string;
  /** In words, never with the key. */
  readonly description: string;
}

export interface Facts {
  /** Wall clock, Unix milliseconds. */
  readonly nowMs: number;
  /** When this program's commit was made, Unix milliseconds; 0 when run from the sources. */
  readonly builtAt: number;
  /** Effective user id of the command. */
  readonly uid: number;
  /**
   * User id that the system service runs as; `undefined` when that is not what root asks about, or
   * there is no such user.
   */
  readonly serviceUid: number | undefined;
  readonly config: Fact<LoadedConfig>;
  readonly cert: Fact<FileFact>;
  readonly key: Fact<FileFact>;
  readonly keyDirectory: Fact<PathFact>;
  readonly trustFile: Fact<FileFact>;
  /** Leaf first. */
  readonly chain: Fact<readonly Certificate[]>;
  readonly bundle: Fact<TrustBundle>;
  /** Of the running agent, else of the store. */
  readonly identity: Fact<IdentityView>;
  /** Of the store. */
  readonly ownKey: Fact<KeyView>;
  /** What seals the keys of the store. */
  readonly sealing: Fact<SealingFact>;
  readonly storeDirectory: Fact<PathFact>;
  /** What is known of the time. */
  readonly clock: Fact<ClockView>;
  readonly socketDirectory: Fact<PathFact>;
  readonly socket: Fact<PathFact>;
  readonly handlers: readonly { readonly module: string; readonly file: Fact<PathFact> }[];
  /** Files of [issuer] that only the agent may read, by their key in the configuration. */
  readonly issuerSecrets: readonly { readonly key: string; readonly file: Fact<PathFact> }[];
  /** What is wrong with the bundles of further trust domains, in words. */
  readonly domainFaults: Fact<readonly string[]>;
  /** Endpoints of the running agent. */
  readonly served: Fact<readonly Target[]>;
  readonly agent: Fact<StatusView>;
  /** Of the device that holds this program. */
  readonly readAhead: Fact<ReadAhead>;
  readonly handshake: Fact<HandshakeFact>;
}

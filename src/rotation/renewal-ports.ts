/** What renewal is built of, and what it says of itself. */
import type { ErrorCode } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import type { Issuer } from "../identity/issuer.ts";
import type { KeyProvider } from "../identity/keys/key-provider.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { TimeClaim } from "../identity/time/time-claim.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { DeadlineTime } from "../identity/time/wall-deadline.ts";
import type { Intent, IntentState } from "../queue/intent.ts";
import type { IntentQueue } from "../queue/intent-queue.ts";
import type { RenewalReason } from "./renewal-policy.ts";
import type { Rotator } from "./rotator.ts";
import type { StoreSource } from "./store-source.ts";

/** {@link TrustedTime} is one. */
export interface RenewalTime extends DeadlineTime {
  view(): TimeView;
  claim(claim: TimeClaim): unknown;
}

export interface RenewalPorts {
  readonly store: CertificateStore;
  readonly source: StoreSource;
  readonly keys: KeyProvider;
  readonly rotator: Pick<Rotator, "install" | "replaceTrust">;
  readonly queue: IntentQueue;
  /** How long an intent that is due is held back all the same, ms; default none: nobody works the queue off. */
  readonly heldMs?: (intent: Intent) => number;
  readonly issuer: Issuer;
  /** Tells one configured authority from another; another one is asked at once after a refusal. */
  readonly authority?: string;
  /** Of the configuration in force; read at each decision. */
  readonly settings: () => { readonly at: number; readonly rekey: boolean };
  readonly time: RenewalTime;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** {@link OutageHistory} is one. */
export interface RenewalOutages {
  /** Nobody answered. */
  failed(): Promise<void>;
  reached(): Promise<void>;
}

/** Why the last attempt gave no certificate. */
export interface RenewalFault {
  /** `ERR_ISSUER_BUSY`, `ERR_CERT_REFUSED`, ... */
  readonly code: ErrorCode;
  /** `unreachable`, `busy`, `captive-portal`, ...: constant. */
  readonly reason: string;
  readonly words: string;
  readonly fix: string;
  /** Only an operator can change it; it is tried again all the same, rarely. */
  readonly needsOperator: boolean;
  /** Unix ms. */
  readonly at: number;
  /** How often in a row it was this reason. */
  readonly times: number;
}

export interface RenewalView {
  readonly issuer: Issuer["kind"];
  /** Unix ms; `undefined` while there is no certificate. */
  readonly dueAt: number | undefined;
  /** Why then, constant; `asked` when an operator asked for it. */
  readonly reason: RenewalReason | "asked" | undefined;
  /** The same and what comes next, for a person. */
  readonly words: string;
  /** The intent in the queue, while there is one. */
  readonly intent:
    | {
        readonly id: string;
        readonly state: IntentState;
        readonly step: string | undefined;
        readonly nextAttemptAt: number;
      }
    | undefined;
  /** Of this run of the agent, Unix ms. */
  readonly lastAttempt: number | undefined;
  /** When the newest renewal that the store still knows of was made, Unix ms. */
  readonly lastSuccessAt?: number | undefined;
  /** Code and sentence; survives restarts. */
  readonly lastError: string | undefined;
  /** The same in parts, of this run of the agent. */
  readonly fault: RenewalFault | undefined;
  /** Of the intent in the queue; 0 without one. */
  readonly attempts: number;
  /** What the authority remarked on the last certificate: a life shorter than before, and the like. */
  readonly remarks: readonly string[];
  readonly longestOutageMs: number;
}

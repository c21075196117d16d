/** Metrics of the device's identity: certificate, authorities, store, renewal, queue, revocation. */
import { INTENT_KINDS, type IntentState } from "../queue/intent.ts";
import type { IdentityState } from "../rotation/identity-state.ts";
import type { RenewalView } from "../rotation/renewal-ports.ts";
import { type Metrics, type Sample, seconds, stateSet } from "./metric.ts";
import type { QueueView } from "./queue-operations.ts";
import type { CrlView, RevocationView } from "./revocation-view.ts";

const IDENTITY_STATES: Readonly<Record<IdentityState, true>> = {
  ...{ ACTIVE: true, TRIALLED: true, UNPROVEN: true, ROLLED_BACK: true },
};
/** What has ended is no work any more, and of each kind only the last is kept. */
const QUEUE_STATES: readonly IntentState[] = ["waiting", "running", "failed"];
const LIST_STATES: readonly CrlView["state"][] = ["fresh", "stale", "future", "doubtful"];

function queueEntries({ byKind }: QueueView): readonly Sample[] {
  return INTENT_KINDS.flatMap((kind) =>
    QUEUE_STATES.map((state) => {
      const found = byKind.find((each) => each.kind === kind && each.state === state);
      return { labels: { kind, state }, value: found?.count ?? 0 };
    }),
  );
}

/**
 * Of the intent in the queue, and of this run for the reason that it fails for now: asking for it anew
 * sets the first to 0, a restart the second, another reason both no higher than it is.
 */
function failuresInARow({ intent, attempts, fault }: RenewalView): number {
  const underWay = intent?.state === "running" ? 1 : 0;
  return Math.max(0, attempts - underWay, fault?.times ?? 0);
}

function lists({ sources }: RevocationView): readonly CrlView[] {
  return sources.flatMap((source) => source.lists);
}

/** `undefined` of nothing. */
function least(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.min(...values);
}

export const IDENTITY_METRICS = {
  microedge_certificate_not_before_timestamp_seconds: {
    type: "gauge",
    help: "When the certificate in force begins",
    read: ({ tls }) => seconds(tls.certificate?.notBefore),
  },
  microedge_certificate_not_after_timestamp_seconds: {
    type: "gauge",
    help: "When the certificate in force ends",
    read: ({ tls }) => seconds(tls.certificate?.notAfter),
  },
  microedge_identity_generation: {
    type: "gauge",
    help: "Number of the generation in force, 0 while the store is empty",
    read: ({ identity }) => identity?.generation,
  },
  microedge_identity_state: {
    type: "gauge",
    help: "1 for how far the generation in force has got, 0 for the other states",
    labels: ["state"],
    read: ({ identity }) => stateSet("state", IDENTITY_STATES, identity?.state),
  },
  microedge_trust_anchors: {
    type: "gauge",
    help: "Authorities in the trust bundles in force",
    read: ({ trust }) => trust?.anchors,
  },
  microedge_trust_first_not_after_timestamp_seconds: {
    type: "gauge",
    help: "When the first authority of the trust bundles in force ends",
    read: ({ trust }) => seconds(trust?.firstEndsAt),
  },
  microedge_trust_last_not_after_timestamp_seconds: {
    type: "gauge",
    help: "When the last authority of the trust bundles in force ends",
    read: ({ trust }) => seconds(trust?.lastEndsAt),
  },
  microedge_store_writable: {
    type: "gauge",
    help: "1 while the certificate store can be written, else 0",
    read: ({ identity }) => identity?.store?.writable,
  },
  microedge_store_written_bytes_total: {
    type: "counter",
    help: "Written to the certificate store since the start",
    read: ({ identity }) => identity?.store?.wear.bytesWritten,
  },
  microedge_store_syncs_total: {
    type: "counter",
    help: "Times that the store had the disk flush its cache",
    read: ({ identity }) => identity?.store?.wear.syncs,
  },
  microedge_store_written_today_bytes: {
    type: "gauge",
    help: "Written to the certificate store today",
    read: ({ identity }) => identity?.store?.wear.bytesToday,
  },
  microedge_store_daily_budget_bytes: {
    type: "gauge",
    help: "What the store may write in a day before it warns",
    read: ({ identity }) => identity?.store?.wear.budgetBytesPerDay,
  },
  microedge_renewal_due_timestamp_seconds: {
    type: "gauge",
    help: "When the certificate in force is to be renewed",
    read: ({ renewal }) => seconds(renewal?.dueAt),
  },
  microedge_renewal_last_attempt_timestamp_seconds: {
    type: "gauge",
    help: "When the last attempt to renew was begun, since the start",
    read: ({ renewal }) => seconds(renewal?.lastAttempt),
  },
  microedge_renewal_last_success_timestamp_seconds: {
    type: "gauge",
    help: "When the newest renewal was made that the store still knows of",
    read: ({ renewal }) => seconds(renewal?.lastSuccessAt),
  },
  microedge_renewal_failures_in_a_row: {
    type: "gauge",
    help: "Attempts to renew that failed since the last success, at least; 0 while nothing is wrong",
    read: ({ renewal }) => (renewal === undefined ? undefined : failuresInARow(renewal)),
  },
  microedge_renewal_needs_operator: {
    type: "gauge",
    help: "1 while the last attempt to renew failed for something that only a person can change",
    read: ({ renewal }) =>
      renewal === undefined ? undefined : (renewal.fault?.needsOperator ?? false),
  },
  microedge_renewal_longest_outage_seconds: {
    type: "gauge",
    help: "The longest time that the authority could not be reached",
    read: ({ renewal }) => seconds(renewal?.longestOutageMs),
  },
  microedge_queue_entries: {
    type: "gauge",
    help: "What the rotation queue holds; failed is given up for good",
    labels: ["kind", "state"],
    read: ({ queue }) => (queue === undefined ? undefined : queueEntries(queue)),
  },
  microedge_queue_oldest_waiting_seconds: {
    type: "gauge",
    help: "Age of the oldest entry that waits, by the clock of the device; absent while none does",
    read: ({ queue }) => seconds(queue?.oldestWaitingMs),
  },
  microedge_queue_durable: {
    type: "gauge",
    help: "0 while the queue lives in memory only and a restart would lose it",
    read: ({ queue }) => queue?.durable,
  },
  microedge_queue_repairs: {
    type: "gauge",
    help: "What was found damaged when the queue was opened, and given up",
    read: ({ queue }) => queue?.healed.length,
  },
  microedge_queue_attempts_total: {
    type: "counter",
    help: "Attempts that the queue began",
    read: ({ queue }) => queue?.attempts.begun,
  },
  microedge_queue_attempts_succeeded_total: {
    type: "counter",
    help: "Attempts of the queue that went well",
    read: ({ queue }) => queue?.attempts.succeeded,
  },
  microedge_queue_attempts_failed_total: {
    type: "counter",
    help: "Attempts of the queue that failed",
    read: ({ queue }) => queue?.attempts.failed,
  },
  microedge_queue_written_bytes_total: {
    type: "counter",
    help: "Written to the queue's file since the start",
    read: ({ queue }) => queue?.wear.bytesWritten,
  },
  microedge_queue_syncs_total: {
    type: "counter",
    help: "Times that the queue had the disk flush its cache",
    read: ({ queue }) => queue?.wear.syncs,
  },
  microedge_queue_operations_total: {
    type: "counter",
    help: "Changes of the queue",
    read: ({ queue }) => queue?.wear.operations,
  },
  microedge_revocation_sources: {
    type: "gauge",
    help: "Places that revocation lists come from",
    read: ({ revocation }) => revocation?.sources.length,
  },
  microedge_revocation_sources_failing: {
    type: "gauge",
    help: "Places of revocation lists whose last look gave nothing",
    read: ({ revocation }) =>
      revocation?.sources.filter(({ fault }) => fault !== undefined && fault !== null).length,
  },
  microedge_revocation_lists: {
    type: "gauge",
    help: "Revocation lists in memory; doubtful: the time is not known well enough",
    labels: ["state"],
    read: ({ revocation }) =>
      revocation === undefined
        ? undefined
        : LIST_STATES.map((state) => ({
            labels: { state },
            value: lists(revocation).filter((list) => list.state === state).length,
          })),
  },
  microedge_revocation_oldest_list_timestamp_seconds: {
    type: "gauge",
    help: "When the oldest of the revocation lists was made",
    read: ({ revocation }) =>
      revocation === undefined
        ? undefined
        : seconds(least(lists(revocation).map(({ thisUpdate }) => thisUpdate))),
  },
  microedge_revocation_next_update_timestamp_seconds: {
    type: "gauge",
    help: "When the first of the revocation lists is to be replaced by a newer one",
    read: ({ revocation }) =>
      revocation === undefined
        ? undefined
        : seconds(least(lists(revocation).map(({ nextUpdate }) => nextUpdate))),
  },
  microedge_revocation_ocsp_answers: {
    type: "gauge",
    help: "OCSP answers in memory",
    read: ({ revocation }) => revocation?.ocspAnswers,
  },
  microedge_revocation_ocsp_responders_failing: {
    type: "gauge",
    help: "OCSP responders whose last answer could not be used",
    read: ({ revocation }) => revocation?.ocspFaults.length,
  },
  microedge_revocation_staple_not_after_timestamp_seconds: {
    type: "gauge",
    help: "When the OCSP answer ends that the agent shows with its certificate",
    read: ({ revocation }) => seconds(revocation?.stapleEndsAt),
  },
  microedge_revocation_denied: {
    type: "gauge",
    help: "Entries of revocation.deny",
    read: ({ revocation }) => revocation?.denied,
  },
  microedge_revocation_connections_cut_total: {
    type: "counter",
    help: "Open connections that were cut because their peer was revoked",
    read: ({ revocation }) => revocation?.cut,
  },
} as const satisfies Metrics;

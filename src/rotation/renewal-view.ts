/** What `status`, `cert renew --dry-run` and `doctor` say of renewal. Pure. */
import { formatMoment, formatSpan } from "../identity/span-words.ts";
import type { Intent } from "../queue/intent.ts";
import { toldAt } from "../queue/saved-attempts.ts";
import type { RenewalDue } from "./renewal-policy.ts";
import type { RenewalFault, RenewalView } from "./renewal-ports.ts";

export interface RenewalState extends Pick<RenewalView, "issuer" | "remarks" | "longestOutageMs"> {
  readonly due: RenewalDue | undefined;
  readonly intent: Intent | undefined;
  /** An operator asked for it. */
  readonly asked: boolean;
  /** Until the intent is attempted, its own pause and what else holds it back, ms. */
  readonly nextMs: number;
  /** By the trusted time, Unix ms. */
  readonly nowMs: number;
  readonly lastAttempt: number | undefined;
  readonly fault: RenewalFault | undefined;
}

const WHY = {
  share: "by its share of the lifetime",
  outages: "earlier than its share, because this device was cut off for long before",
  spacing: "not before the last renewal is long enough ago",
  dates: "because its dates make no lifetime",
} as const;

export function renewalView(state: RenewalState): RenewalView {
  const { due, intent, asked, lastAttempt, fault, issuer, remarks, longestOutageMs } = state;
  const inQueue =
    intent === undefined
      ? undefined
      : {
          ...{ id: intent.id, state: intent.state, step: intent.step },
          nextAttemptAt: toldAt(intent.nextAttemptAt, state.nowMs),
        };
  return {
    ...{ issuer, remarks, longestOutageMs, lastAttempt },
    lastError: fault === undefined ? intent?.lastError : `${fault.code}: ${fault.words}`,
    fault,
    dueAt: due?.dueAt,
    reason: asked ? "asked" : due?.reason,
    words: words(state),
    intent: inQueue,
    attempts: intent?.attempts ?? 0,
  };
}

function words({ due, intent, asked, nowMs, nextMs, fault }: RenewalState): string {
  if (due === undefined) return "there is no certificate to renew";
  if (intent === undefined) {
    const when = `${formatMoment(due.dueAt)}, in ${formatSpan(Math.max(0, due.dueAt - nowMs))}`;
    return `due ${when}: ${WHY[due.reason]}`;
  }
  const begun = asked ? "asked for" : "due";
  if (intent.state === "running") return `${begun}, and under way (${intent.step ?? "begun"})`;
  const next = `next attempt in ${formatSpan(nextMs)}`;
  const failure = fault?.words ?? intent.lastError;
  if (failure === undefined) return `${begun}; ${next}`;
  const fix = fault?.needsOperator === true ? `; ${fault.fix}` : "";
  const often = intent.attempts > 1 ? ` ${intent.attempts} times` : "";
  return `${begun}, and failed${often}: ${failure}${fix}; ${next}`;
}

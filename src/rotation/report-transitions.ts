/**
 * What has changed since it was told last: compares what the store, the rotator, renewal and the queue
 * say with what has been told. So nothing is lost when the process dies between a change and its report,
 * or when the change was made while no agent ran; and what stays as it is, is not told again. Pure.
 */
import { createHash, X509Certificate } from "node:crypto";
import { splitPem } from "../identity/pem.ts";
import type { Generation } from "../identity/store/generation.ts";
import type { Intent } from "../queue/intent.ts";
import { wasTakenBack } from "./identity-state.ts";
import type { RenewalView } from "./renewal-ports.ts";
import {
  type ReportKind,
  type ReportOutcome,
  type ReportReason,
  reasonOfKept,
} from "./report-document.ts";

/** What the fleet has been told, or will be by the reports that wait. */
export interface Told {
  /** In force; 0 when nothing has been told. */
  readonly current: number;
  /** The highest that was told to be in force. */
  readonly highest: number;
  /** Told to be confirmed; 0 for none. */
  readonly confirmed: number;
  /** Told to be bad, of those that the store still has. */
  readonly bad: readonly number[];
  /** SHA-256 of the trust bundle in force. */
  readonly trust: string;
  /** SHA-256 of the leaf whose renewal was told to be stuck. */
  readonly stuck: string | undefined;
  /** Ids of intents that were told to have failed for good. */
  readonly failed: readonly string[];
}

export const NOTHING_TOLD: Told = {
  ...{ current: 0, highest: 0, confirmed: 0, bad: [], trust: "", stuck: undefined, failed: [] },
};

/** How things stand. */
export interface Standing {
  readonly current: Generation;
  /** All that the store has, in any order. */
  readonly history: readonly Generation[];
  /** Peers have confirmed what is in force. */
  readonly confirmed: boolean;
  /** SHA-256 of the leaf in force. */
  readonly leaf: string;
  /** Why renewal does not go on by itself; `undefined` when it does. */
  readonly stuck: ReportReason | undefined;
  /** Intents other than reports that failed for good. */
  readonly failed: readonly Intent[];
}

export interface Transition {
  readonly kind: ReportKind;
  readonly outcome: ReportOutcome;
  /** Whose certificate the report shows. */
  readonly of: Generation;
  readonly reasons: readonly ReportReason[];
  readonly intent?: Intent;
}

export interface Compared {
  /** In the order in which they happened, as far as that can be known. */
  readonly transitions: readonly Transition[];
  readonly told: Told;
}

const GIVEN_UP = "superseded";

/** @param lost Why it is not known what was told before; `undefined` when it is. */
export function compare(told: Told, now: Standing, lost?: ReportReason): Compared {
  const { current } = now;
  const isNew = told.current === 0;
  const begun: Transition = {
    ...{ kind: "epoch", outcome: "begun", of: current, reasons: lost === undefined ? [] : [lost] },
  };
  const transitions = [
    ...(isNew ? [begun] : []),
    ...generations(told, now),
    ...confirmation(told, now),
    ...renewal(told, now),
    ...failures(told, now),
  ];
  return { transitions, told: toldAfter(told, now) };
}

export function isSame(one: Told, other: Told): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** SHA-256 over its certificates, whatever their order, to see whether it is another one. */
function trustOf({ trustBundlePem }: Generation): string {
  const digest = createHash("sha256");
  const certificates = splitPem(trustBundlePem).filter(({ label }) => label === "CERTIFICATE");
  const prints = certificates.map(({ text }) => new X509Certificate(text).fingerprint256);
  return digest.update(prints.toSorted().join()).digest("hex");
}

function generations(told: Told, { current, history }: Standing): readonly Transition[] {
  const found: Transition[] = [];
  const sorted = history.toSorted((a, b) => a.number - b.number);
  for (const of of sorted) {
    if (isBad(of)) {
      if (!told.bad.includes(of.number)) {
        found.push({ kind: "generation", outcome: "bad", of, reasons: of.reasons });
      }
    } else if (of.mark !== "bad" && of.number > told.highest && of.number <= current.number) {
      found.push(inForce(of));
    }
  }
  const after = sorted.filter((each) => each.number > current.number && wasTakenBack(each));
  const unseen = after.some(({ number }) => !told.bad.includes(number));
  // What was bad before it was left (the way back was closed then) has been told to be bad.
  const isBack = current.number < told.current || (unseen && current.number <= told.highest);
  if (isBack) {
    const reasons = after.at(-1)?.reasons ?? [];
    found.push({ kind: "generation", outcome: "fallen-back", of: current, reasons });
  } else if (current.number > told.current && current.origin !== "trust" && told.trust !== "") {
    if (trustOf(current) !== told.trust) found.push(replaced(current));
  }
  return found;
}

function inForce(of: Generation): Transition {
  if (of.origin === "trust") return replaced(of);
  return { kind: "generation", outcome: "in-force", of, reasons: [] };
}

function replaced(of: Generation): Transition {
  return { kind: "trust", outcome: "replaced", of, reasons: [] };
}

/** Given up because something newer came is no failure. */
function isBad({ mark, reasons }: Generation): boolean {
  return mark === "bad" && (reasons.length === 0 || reasons.some(({ code }) => code !== GIVEN_UP));
}

function confirmation(told: Told, { current, confirmed }: Standing): readonly Transition[] {
  if (!confirmed || told.confirmed === current.number) return [];
  return [{ kind: "generation", outcome: "confirmed", of: current, reasons: [] }];
}

function renewal(told: Told, { current, leaf, stuck }: Standing): readonly Transition[] {
  const isOver = told.stuck !== undefined && told.stuck !== leaf;
  const found: Transition[] = isOver
    ? [{ kind: "renewal", outcome: "recovered", of: current, reasons: [] }]
    : [];
  const isKnown = told.stuck !== undefined && !isOver;
  if (stuck !== undefined && !isKnown) {
    found.push({ kind: "renewal", outcome: "stuck", of: current, reasons: [stuck] });
  }
  return found;
}

function failures(told: Told, { current, failed }: Standing): readonly Transition[] {
  return failed
    .filter(({ id }) => !told.failed.includes(id))
    .map((intent) => ({
      ...{ kind: "intent", outcome: "failed", of: current, intent },
      reasons: reasonOfKept(intent.lastError),
    }));
}

function toldAfter(told: Told, now: Standing): Told {
  const { current, history, confirmed, leaf, stuck, failed } = now;
  const isOver = told.stuck !== undefined && told.stuck !== leaf;
  const stuckNow = stuck === undefined ? undefined : leaf;
  return {
    current: current.number,
    highest: Math.max(told.highest, current.number),
    confirmed: confirmed ? current.number : told.confirmed,
    bad: history.flatMap((each) => (isBad(each) ? [each.number] : [])).toSorted((a, b) => a - b),
    trust: trustOf(current),
    stuck: isOver || told.stuck === undefined ? stuckNow : told.stuck,
    failed: failed.map(({ id }) => id),
  };
}

/** A failed renewal that is due for so long is worth a look, whatever it fails for. Ms. */
const PATIENCE_MS = 86_400_000;

/**
 * Why renewal does not go on without somebody's help: only an operator can change what it failed for, or
 * it has failed for a day (a quarter of the time that was left, where that is less).
 *
 * @param dueMs Now by the trusted time, as far as a date may count on it; Unix ms.
 * @param notAfter Of the leaf in force, Unix ms.
 */
export function stuckReason(
  view: RenewalView | undefined,
  dueMs: number,
  notAfter: number,
): ReportReason | undefined {
  if (view === undefined || view.intent === undefined) return undefined;
  const { fault, dueAt, lastError } = view;
  if (fault?.needsOperator === true) return { code: fault.code, words: fault.words };
  if (lastError === undefined || dueAt === undefined) return undefined;
  const patienceMs = Math.min(PATIENCE_MS, Math.max(0, notAfter - dueAt) / 4);
  return dueMs - dueAt > patienceMs ? reasonOfKept(lastError)[0] : undefined;
}

/**
 * How long certificates have left, as figures for status and words for the log and for `doctor`. While
 * the clock is known to be wrong, only what is certain is an alarm: the proven time is a lower bound, so
 * an end that lies before it has passed; of everything else the date means little, and that is said. Pure.
 */
import { formatMoment, formatSpan } from "../span-words.ts";
import type { Certificate } from "../x509/certificate.ts";
import { type DateState, dateState } from "./expiry-level.ts";
import type { TimeView } from "./time-view.ts";

export type CertificateRole = "leaf" | "intermediate" | "anchor";

export interface WatchedCertificate {
  readonly role: CertificateRole;
  readonly certificate: Pick<Certificate, "summary">;
}

/** `unclear`: the clock is wrong, and nothing certain can be said. */
export type ExpiryLevel = DateState | "unclear";

export interface ExpiryReading {
  readonly role: CertificateRole;
  readonly subject: string;
  readonly serial: string;
  /** SHA-256, hexadecimal. */
  readonly fingerprint: string;
  /** Unix ms. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** By the best estimate of the time, ms; negative when it has ended. */
  readonly leftMs: number;
  readonly level: ExpiryLevel;
  /** A sentence without a full stop. */
  readonly words: string;
  /** What to do; `undefined` when all is good. */
  readonly fix: string | undefined;
}

/** Worst first. */
const ORDER: readonly ExpiryLevel[] = [
  "expired",
  "critical",
  "not-yet-valid",
  "warn",
  "unclear",
  "good",
];

const FIX: Readonly<Record<CertificateRole, string>> = {
  leaf: "renew the certificate, or import a new one with `microedge cert import`",
  intermediate: "import a chain whose intermediate authorities live longer",
  anchor: "put the successor of that authority into the trust bundle, beside the old one",
};

export function readExpiry(
  { role, certificate }: WatchedCertificate,
  view: TimeView,
): ExpiryReading {
  const { subject, serial, fingerprint, notBefore, notAfter } = certificate.summary;
  const leftMs = notAfter - view.nowMs;
  const level = levelOf({ notBefore, notAfter }, view);
  return {
    ...{ role, subject, serial, fingerprint, notBefore, notAfter, leftMs, level },
    words: wordsOf(certificate, level, leftMs, view),
    fix: fixOf(role, level),
  };
}

/** All of them, the worst first, among equals the one that ends first. */
export function readExpiries(
  watched: readonly WatchedCertificate[],
  view: TimeView,
): readonly ExpiryReading[] {
  const readings = watched.map((each) => readExpiry(each, view));
  return readings.toSorted(
    (a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level) || a.leftMs - b.leftMs,
  );
}

function levelOf(dates: { notBefore: number; notAfter: number }, view: TimeView): ExpiryLevel {
  const level = dateState(dates, view.nowMs);
  if (!view.clockWrong || view.state === "authenticated") return level;
  return level === "good" || level === "not-yet-valid" ? "unclear" : level;
}

function wordsOf(
  { summary }: WatchedCertificate["certificate"],
  level: ExpiryLevel,
  leftMs: number,
  { state, clockWrong }: TimeView,
): string {
  const who = `"${summary.subject}"`;
  const end = formatMoment(summary.notAfter);
  const atMost = clockWrong && state !== "authenticated" ? " at most" : "";
  const doubt = state === "unknown" ? "; but nothing says that the clock is right" : "";
  switch (level) {
    case "unclear":
      return `${who} ends ${end}; the clock is wrong, so this date means little`;
    case "not-yet-valid":
      return `${who} is valid only from ${formatMoment(summary.notBefore)}${doubt}`;
    case "expired":
      return `${who} ended ${formatSpan(-leftMs)} ago (${end})${doubt}`;
    case "critical":
      return `CRITICAL: ${who} ends in ${formatSpan(leftMs)}${atMost} (${end})${doubt}`;
    case "warn":
      return `WARNING: ${who} ends in ${formatSpan(leftMs)}${atMost} (${end})${doubt}`;
    default:
      return `${who} ends in ${formatSpan(leftMs)} (${end})`;
  }
}

function fixOf(role: CertificateRole, level: ExpiryLevel): string | undefined {
  if (level === "good") return undefined;
  if (level === "unclear" || level === "not-yet-valid") return "set this machine's clock";
  return FIX[role];
}

/**
 * Certificates, generations and keys as text for people.
 */
import { formatMoment, formatSpan } from "../../identity/span-words.ts";
import type {
  CertificateView,
  GenerationView,
  IdentityView,
  KeyView,
  OwnCertificateView,
  PendingKeyView,
  TrustView,
} from "../../sidecar/certificate-operations.ts";
import { formatBytes } from "../format/duration.ts";
import { paint } from "../format/style.ts";
import { columns, table } from "../format/table.ts";
import type { Output } from "../terminal.ts";

export function stateWords({ state, words }: IdentityView): string {
  return state === undefined ? "" : `${state}: ${words ?? ""}`;
}

/** @param nowMs Unix milliseconds. */
export function endWords(notAfter: number, nowMs: number): string {
  const left = notAfter - nowMs;
  const words = left > 0 ? `in ${formatSpan(left)}` : `${formatSpan(-left)} AGO`;
  return `${words} (${formatMoment(notAfter)})`;
}

function nameWords({ names }: CertificateView): string {
  const { dns, ip, uri } = names;
  return [
    ...dns.map((name) => `dns:${name}`),
    ...ip.map((address) => `ip:${address}`),
    ...uri.map((text) => `uri:${text}`),
  ].join(", ");
}

function keyWords({ algorithm, location, spkiSha256 }: KeyView): string {
  return `${algorithm}, ${location}; SPKI SHA-256 ${spkiSha256.slice(0, 16)}...`;
}

export function formatOwnCertificate(view: OwnCertificateView, out: Output, nowMs: number): string {
  const { identity, leaf, intermediates, key, usedBy, warnings, digest } = view;
  const rows: [string, string][] = [
    ["subject", leaf.subject],
    ["issuer", leaf.issuer],
    ["names", nameWords(leaf) || "none"],
    ["SPIFFE ID", leaf.spiffeId ?? "none"],
    ["serial", leaf.serial],
    ["SHA-256", leaf.sha256],
    ["begins", formatMoment(leaf.notBefore)],
    ["ends", endWords(leaf.notAfter, nowMs)],
    ["chain", intermediates.length === 0 ? "the leaf alone" : intermediates.join("; ")],
    ["key", keyWords(key)],
  ];
  if (identity.generation !== undefined) {
    rows.push(["generation", stateWords(identity)]);
  }
  rows.push(["digest", digest]);
  rows.push([
    "used by",
    usedBy.length === 0 ? "nobody: the agent is not running" : usedBy.join(", "),
  ]);
  for (const warning of warnings) rows.push([paint(out, "yellow", "warning"), warning]);
  return columns(rows);
}

export function formatHistory(generations: readonly GenerationView[], nowMs: number): string {
  if (generations.length === 0) return "the store is empty";
  const rows = generations.map((each) => [
    String(each.generation),
    each.role,
    each.mark,
    each.origin,
    formatMoment(each.createdAt),
    each.leaf.subject,
    each.leaf.serial,
    endWords(each.leaf.notAfter, nowMs),
  ]);
  const reasons = generations.flatMap(({ generation, reasons }) =>
    reasons.map(({ code, words }) => `generation ${generation}: ${words} (${code})`),
  );
  const heading = ["generation", "", "mark", "origin", "made", "subject", "serial", "ends"];
  return [table(heading, rows), ...reasons].join("\n");
}

export function formatTrust(
  { authorities, overlapUntil, leaving }: TrustView,
  nowMs: number,
): string {
  const rows = authorities.map(({ subject, sha256, notAfter }) => [
    subject,
    `${sha256.slice(0, 16)}...`,
    endWords(notAfter, nowMs),
    leaving.includes(sha256) ? "leaving" : "",
  ]);
  const lines = [table(["authority", "SHA-256", "ends", ""], rows)];
  if (overlapUntil !== undefined) {
    lines.push(`those that are leaving count until ${formatMoment(overlapUntil)}`);
  }
  return lines.join("\n");
}

export function formatKeys(keys: readonly PendingKeyView[]): string {
  if (keys.length === 0) return "the store has no key";
  return table(
    ["name", "algorithm", "SPKI SHA-256", "where"],
    keys.map(({ name, algorithm, spkiSha256, location }) => [
      name,
      algorithm,
      spkiSha256,
      location,
    ]),
  );
}

/** Rows for `status`. */
export function identityRows(identity: IdentityView, out: Output): [string, string][] {
  const { generation, store } = identity;
  if (generation === undefined) return [];
  const rows: [string, string][] = [
    [
      "identity",
      generation === 0
        ? paint(
            out,
            "yellow",
            "none: the store is empty; give it one with `microedge enroll` or `microedge cert import`",
          )
        : stateWords(identity),
    ],
  ];
  if (store === undefined) return rows;
  const { bytesToday, budgetBytesPerDay } = store.wear;
  const wear = `${formatBytes(bytesToday)} of ${formatBytes(budgetBytesPerDay)} written today`;
  rows.push(["store", `${store.dir}, ${wear}`]);
  return rows;
}

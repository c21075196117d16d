/**
 * The keys of `[revocation]`, and the kinds of values that only they have. `docs/revocation.md` says
 * what they mean together.
 */
import {
  DENY_FORMS,
  type DenyEntry,
  formatDenyEntry,
  MAX_DENY_ENTRIES,
  parseDenyEntry,
} from "../identity/revocation/deny-list.ts";
import {
  choice,
  flag,
  integer,
  type Kind,
  path,
  type ReadContext,
  type Reading,
  text,
} from "./config-kinds.ts";
import { LIVE, optional, row } from "./config-row.ts";

const HOUR_MS = 3_600_000;
const MAX_SOURCES = 16;
const URL_FORM = /^https?:\/\/[^\s@]{1,1024}$/i;

/** A file, or an address to fetch from. */
function crlPlace(): Kind<string> {
  const file = path();
  const allowed = 'a path or an "http://" or "https://" address without a password';
  const looksLikeUrl = (value: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(value);
  const read = (value: string, context: ReadContext): Reading<string> => {
    if (!looksLikeUrl(value)) {
      const reading = file.readText(value, context);
      return "value" in reading ? reading : { expected: allowed };
    }
    return URL_FORM.test(value) && URL.canParse(value) ? { value } : { expected: allowed };
  };
  return {
    ...file,
    allowed,
    readText: read,
    readToml: (value, context) =>
      typeof value === "string" ? read(value, context) : { expected: allowed },
  };
}

function denyEntry(): Kind<DenyEntry> {
  const allowed = `one of ${DENY_FORMS}`;
  const read = (value: string) => {
    const entry = parseDenyEntry(value);
    return entry === undefined ? { expected: allowed } : { value: entry };
  };
  return {
    allowed,
    schema: { type: "string", pattern: "^(serial|spiffe|sha256):" },
    readText: read,
    readToml: (value) => (typeof value === "string" ? read(value) : { expected: allowed }),
    show: formatDenyEntry,
  };
}

/** An array that may be empty, and has a most. In an environment variable separated by commas. */
export function upTo<T>(max: number, item: Kind<T>): Kind<readonly T[]> {
  const allowed = `an array of at most ${max} items; each item must be ${item.allowed}`;
  const readAll = (readings: readonly ReturnType<Kind<T>["readText"]>[]) => {
    if (readings.length > max) {
      return { expected: `${allowed}; it has ${readings.length}, and none was left out` };
    }
    const bad = readings.findIndex((reading) => "expected" in reading);
    if (bad >= 0) return { expected: `${allowed}; [${bad}] is not` };
    return { value: readings.flatMap((reading) => ("value" in reading ? [reading.value] : [])) };
  };
  return {
    allowed,
    schema: { type: "array", maxItems: max, items: item.schema },
    readToml: (value, context) =>
      Array.isArray(value)
        ? readAll(value.map((each) => item.readToml(each, context)))
        : { expected: allowed },
    readText: (value, context) =>
      readAll(
        value === "" ? [] : value.split(",").map((each) => item.readText(each.trim(), context)),
      ),
    show: (values) => values.map((value) => String(item.show(value))),
  };
}

export const REVOCATION_ROWS = {
  crl: row(
    upTo(MAX_SOURCES, crlPlace()),
    [],
    "Certificate revocation lists: files (PEM or DER, watched) and addresses (fetched, no redirects). Each must be signed by an authority of the trust bundle.",
    LIVE,
  ),
  crl_from_certificates: row(
    flag(),
    false,
    "Also fetch the lists that certificates of verified peers name; off, because it lets certificates decide where the agent connects.",
    LIVE,
  ),
  crl_fail: row(
    choice(["soft", "hard"]),
    "soft",
    'What becomes of a peer while no list in date covers it. "soft" lets it in with a warning: a site without network must not cut itself off; who is on the last good list stays refused. "hard" refuses it.',
    LIVE,
  ),
  crl_refresh_ms: row(
    integer(1_000, 24 * HOUR_MS, "ms"),
    HOUR_MS,
    "How often an address is asked for a newer list. Files are looked at every tls.reload_interval_ms.",
    LIVE,
  ),
  crl_max_kib: row(
    integer(16, 16_384, "KiB"),
    4_096,
    "Largest list that is taken; 4 MiB hold about 100,000 entries.",
    LIVE,
  ),
  ocsp: row(
    choice(["off", "soft", "hard"]),
    "off",
    'Ask the OCSP responder about peers, and staple the answer about our own certificate. "soft" lets a peer in while there is no answer and cuts it when it turns out to be revoked; "hard" waits for the answer and refuses without one. Off: it needs a responder that can always be reached.',
    LIVE,
  ),
  ocsp_responder: optional(
    text({ allowed: 'an "http://" or "https://" address', pattern: URL_FORM }),
    "The responder to ask.",
    { ...LIVE, defaultDoc: "the one that each certificate names" },
  ),
  ocsp_timeout_ms: row(
    integer(100, 10_000, "ms"),
    3_000,
    'How long a responder may take; with "hard" a new peer waits that long.',
    LIVE,
  ),
  deny: row(
    upTo(MAX_DENY_ENTRIES, denyEntry()),
    [],
    `Peers that are refused whatever their authority says: ${DENY_FORMS}. Their connections are cut.`,
    LIVE,
  ),
  recovery: row(
    upTo(64, denyEntry()),
    [],
    "Peers that [revocation] deny does not lock out by itself, in the same forms: those that put a device right again.",
    LIVE,
  ),
  deny_recovery: row(flag(), false, "Let deny count for recovery peers too.", LIVE),
  cache_dir: optional(
    path(),
    "Directory for the last good lists and answers, so that a restart without network begins with them and the lists' numbers can't go back.",
    { defaultDoc: "revocation/ beside store.dir; without a store nothing is kept" },
  ),
};

/**
 * Makes values safe to write to a log: bounded, no secrets, no control characters. The last guard,
 * not the first: nobody hands keys or bodies to a logger, and a foreign error text may quote them.
 */
import type { LogRow, LogValue } from "../base/log.ts";

/** Longest string of one field, in UTF-16 units; a stack trace of a handler fits. */
export const MAX_STRING_LENGTH = 2_048;
/** Most items of a list field. */
export const MAX_LIST_LENGTH = 32;

const SECRETS: readonly RegExp[] = [
  // PEM of any kind (RFC 7468): a certificate is no secret, but has no place in a log either
  /-----BEGIN [A-Z0-9 ]+-----/,
  // base64 of private keys without their PEM frame: PKCS#8 EC and Ed25519, SEC 1, PKCS#8 and PKCS#1 RSA
  /MIGHAgEAMBMG|MIG2AgEAMBAG|MIHuAgEAMBAG|MHcCAQEE|MIGkAgEBB|MIHcAgEBB|MC4CAQAwBQYDK2Vw/,
  /IBADANBgkqhkiG9w0BAQEF|MII[A-Za-z0-9+/]{2}[AQgw]IBAAKC/,
  // JSON Web Tokens and authorization headers
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/,
  /\b(?:Bearer|Basic)\s+[A-Za-z0-9+/_=.-]{8,}/i,
];
/** User information of a URL (RFC 3986 section 3.2.1). */
const URL_CREDENTIALS = /(\b[a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/@]{1,512}@/gi;

export const REDACTED = "[redacted]";

/** `value` as it may be written; `undefined` stays so. */
export function safeValue(value: LogValue): LogValue {
  if (typeof value === "string") return safeText(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (value === undefined || typeof value === "boolean") return value;
  const items = value.slice(0, MAX_LIST_LENGTH);
  const more = value.length - items.length;
  if (!items.every((item) => typeof item === "string")) {
    const rows = items.map((item) => safeRow(typeof item === "string" ? { item } : item));
    return more === 0 ? rows : [...rows, { item: `${more} more` }];
  }
  const texts = items.map(safeText);
  return more === 0 ? texts : [...texts, `${more} more`];
}

function safeRow(row: LogRow): LogRow {
  return Object.fromEntries(Object.entries(row).map(([name, text]) => [name, safeText(text)]));
}

/** A text without secrets, cut to {@link MAX_STRING_LENGTH}. */
export function safeText(text: string): string {
  if (SECRETS.some((secret) => secret.test(text))) return REDACTED;
  const open = text.replace(URL_CREDENTIALS, "$1***@");
  if (open.length <= MAX_STRING_LENGTH) return open;
  return `${open.slice(0, MAX_STRING_LENGTH)}… (${open.length} characters)`;
}

/**
 * Everything that could move a cursor, end a line or turn writing direction: C0 (JSON has escaped
 * most of it already), DEL and C1, line and paragraph separator, bidirectional controls.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Escapes unprintable characters the way JSON does, `\u001b`. */
export function escapeUnprintable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

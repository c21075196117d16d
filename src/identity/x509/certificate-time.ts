/**
 * The dates of a certificate (RFC 5280 section 4.1.2.5), read from DER. Node's own reading of a date
 * that is none is whatever the stack held before, often the date of another certificate (measured on
 * Node 24.21), so a broken date could pass for a good one. Pure.
 */
import { AgentError } from "../../base/errors.ts";
import type { DerElement } from "./der.ts";

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
/** To the second and in UTC, as RFC 5280 demands; OpenSSL judges no other form either. */
const FORM = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/**
 * Unix milliseconds.
 *
 * @throws AgentError `ERR_CERT_INVALID` if it is no date.
 */
export function parseCertificateTime(element: DerElement | undefined): number {
  const text = Buffer.from(element?.content ?? []).toString("latin1");
  const [, years = "", month, day, hour, minute, second] = FORM.exec(text) ?? [];
  const expected = element?.tag === UTC_TIME ? 2 : element?.tag === GENERALIZED_TIME ? 4 : 0;
  if (years === "" || years.length !== expected) throw noDate();
  // UTCTime spans 1950 to 2049.
  const year = expected === 2 ? `${Number(years) < 50 ? "20" : "19"}${years}` : years;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const unixMs = Date.parse(iso);
  // February 30 is read as a day of March: a date must come back as it was written.
  if (Number.isNaN(unixMs) || new Date(unixMs).toISOString() !== iso) throw noDate();
  return unixMs;
}

function noDate(): AgentError {
  return new AgentError("ERR_CERT_INVALID", "certificate is malformed: its dates can't be read");
}

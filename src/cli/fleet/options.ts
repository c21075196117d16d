/**
 * What the `fleet` commands read from their command line. Pure.
 */
import { usage } from "../arguments.ts";

/** Dates alone mean midnight. */
const FORM = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,3})?Z)?$/;

/**
 * @param option As typed, for the error.
 * @returns Unix ms; `undefined` when nothing was typed.
 * @throws AgentError `ERR_USAGE`.
 */
export function parseMoment(
  text: string | undefined,
  option: string,
  help: string,
): number | undefined {
  if (text === undefined) return undefined;
  const moment = FORM.test(text) ? Date.parse(text) : Number.NaN;
  // 2027-02-30 is read as the second of March.
  const real =
    Number.isFinite(moment) && new Date(moment).toISOString().startsWith(text.slice(0, 10));
  if (real && moment >= 0) return moment;
  throw usage(`${option} must be a UTC time like 2027-01-31 or 2027-01-31T12:00:00Z`, help);
}

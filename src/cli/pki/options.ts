/**
 * What the `pki` and `fleet` commands read from their command line. Pure.
 */
import { usage } from "../arguments.ts";

/** A whole number of days. @throws AgentError `ERR_USAGE`. */
export function parseDays(
  text: string | undefined,
  fallback: number,
  most: number,
  help = "microedge help pki",
): number {
  if (text === undefined) return fallback;
  const days = Number(text);
  if (!/^\d+$/.test(text) || days < 1 || days > most) {
    throw usage(`--days must be a whole number from 1 to ${most}`, help);
  }
  return days;
}

/** A name that becomes the beginning of file names. @throws AgentError `ERR_USAGE`. */
export function parseFileName(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)) {
    throw usage(
      `NAME must be 1 to 64 letters, digits, dots, hyphens or underscores, not "${text}"`,
      "microedge help pki issue",
    );
  }
  return text;
}

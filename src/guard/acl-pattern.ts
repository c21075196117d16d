/**
 * Patterns of endpoints, `service/Handler.Method`, as roles list them. Pure.
 *
 * `*` stands for any run of characters, also none, within its part: it never crosses `/`, and in
 * `Handler.Method` never the dot. `service/*` means every endpoint of the service. A pattern covers the
 * whole name, upper and lower case count.
 */
import { type Target, targetName } from "./policy.ts";

export interface EndpointPattern {
  readonly text: string;
  /** It has no `*`: it names one endpoint. */
  readonly exact: boolean;
  matches(target: Pick<Target, "service" | "endpoint">): boolean;
}

const SERVICE = /^[A-Za-z0-9._*-]{1,128}$/;
const WORD = /^[A-Za-z0-9_*]{1,128}$/;
/** A pattern with many `*` takes long to compare; nobody needs more. */
const MAX_STARS = 4;

/** What is wrong with a pattern, as the rest of a sentence that begins with it; `undefined` if nothing. */
export function patternFault(text: string): string | undefined {
  const [service = "", endpoint, ...more] = text.split("/");
  if (endpoint === undefined || more.length > 0) {
    return "is not of the form service/Handler.Method";
  }
  if (!SERVICE.test(service)) {
    return "names no service before the /: letters, digits and . _ - with * for any";
  }
  const words = endpoint.split(".");
  const formed = endpoint === "*" || (words.length === 2 && words.every((word) => WORD.test(word)));
  if (!formed)
    return "needs Handler.Method after the /, with * for any part, or * for every endpoint";
  if (text.split("*").length - 1 > MAX_STARS) return `has more than ${MAX_STARS} stars`;
  return undefined;
}

/** @param text One without a {@link patternFault}. */
export function parsePattern(text: string): EndpointPattern {
  if (!text.includes("*")) {
    return { text, exact: true, matches: (target) => targetName(target) === text };
  }
  const [service = "", endpoint = ""] = text.split("/");
  const ofService = glob(service);
  const [handler = "", method = ""] = endpoint === "*" ? ["*", "*"] : endpoint.split(".");
  const [ofHandler, ofMethod] = [glob(handler), glob(method)];
  return {
    text,
    exact: false,
    matches: (target) => {
      const dot = target.endpoint.indexOf(".");
      return (
        dot !== -1 &&
        ofService(target.service) &&
        ofHandler(target.endpoint.slice(0, dot)) &&
        ofMethod(target.endpoint.slice(dot + 1))
      );
    },
  };
}

/** Compares without regular expressions: time grows with the length of the name times the stars. */
function glob(pattern: string): (text: string) => boolean {
  const [head = "", ...rest] = pattern.split("*");
  const tail = rest.pop();
  if (tail === undefined) return (text) => text === head;
  return (text) => {
    if (text.length < head.length + tail.length) return false;
    if (!text.startsWith(head) || !text.endsWith(tail)) return false;
    const end = text.length - tail.length;
    let at = head.length;
    for (const piece of rest) {
      const found = text.indexOf(piece, at);
      if (found === -1 || found + piece.length > end) return false;
      at = found + piece.length;
    }
    return true;
  };
}

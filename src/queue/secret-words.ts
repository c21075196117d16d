/**
 * Takes out of a sentence what could be a secret: keys, tokens, digests, passwords and queries in URLs. What
 * is made of words stays: paths, host names, constants. Nobody can tell a passphrase of words from a
 * sentence; everything else that is doubtful goes. Pure.
 */
const LEFT_OUT = "[left out]";
const PEM = /-----BEGIN[\s\S]*/;
/** Compact JWS and JWE (RFC 7515, section 7.1): the header is JSON, and so begins with `{"`. */
const JWT = /eyJ[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)+/g;
/** RFC 9110, section 11.4. */
const CREDENTIALS = /\b(Bearer|Basic|Digest|Negotiate)\s+[^\s,;"']+/gi;
/** Also `[api_key]=…`; a secret after a colon is a sentence more often than not, and goes if it is opaque. */
const ASSIGNED =
  /\b([\w-]*(?:passw(?:or)?d|passphrase|secret|token|api[-_]?key))(["']?\s*=\s*)[^\s[]\S*/gi;
const URL_LIKE = /\b([a-z][a-z0-9+.-]*):\/\/([^\s/?#"'<>]*)([^\s?#"'<>]*)([?#][^\s"'<>]*)?/gi;
const QUERY = /\?[^\s?"'<>]*=[^\s"'<>]*/g;
/** `user:password@host` without a scheme. */
const USERINFO = /[^\s:@/"'([]+:[^\s@/"']+@(?=[\w[])/g;
/** Digests as OpenSSL prints them; an IPv6 address has at most eight groups. */
const OCTETS = /\b[0-9A-Fa-f]{2}(?:[: ][0-9A-Fa-f]{2}){11,}\b/g;
/** The alphabets of base64, base64url, base32 and hexadecimal, and of paths. */
const RUN = /[A-Za-z0-9+/=_-]+/g;
/** Shorter ones hold too little to be a key: 128 bits are 22 characters of base64. */
const MIN_OPAQUE = 22;
/** In the path of a URL, where tokens of web hooks live. */
const MIN_OPAQUE_IN_URL = 16;
/** One word: small, capitalised or in humps (`notBefore`), or a number; with a few digits, as in `sha256`. */
const WORD = /^(?:|\d{1,14}|[A-Z]{1,20}\d{0,4}|[A-Z]?[a-z]{1,20}(?:[A-Z][a-z]{2,12}){0,4}\d{0,4})$/;

export function withoutSecrets(text: string): string {
  return text
    .replace(PEM, "[PEM left out]")
    .replace(JWT, LEFT_OUT)
    .replace(URL_LIKE, (_, scheme: string, authority: string, path: string, rest?: string) => {
      const at = authority.lastIndexOf("@");
      const host = at < 0 ? authority : `${LEFT_OUT}@${authority.slice(at + 1)}`;
      const query = rest === undefined ? "" : `${rest.slice(0, 1)}${LEFT_OUT}`;
      return `${scheme}://${host}${pathWords(path)}${query}`;
    })
    .replace(QUERY, `?${LEFT_OUT}`)
    .replace(CREDENTIALS, `$1 ${LEFT_OUT}`)
    .replace(ASSIGNED, `$1$2${LEFT_OUT}`)
    .replace(USERINFO, `${LEFT_OUT}@`)
    .replace(OCTETS, LEFT_OUT)
    .replace(RUN, runWords);
}

function pathWords(path: string): string {
  return path
    .split("/")
    .map((each) => (each.length >= MIN_OPAQUE_IN_URL && !isWords(each) ? LEFT_OUT : each))
    .join("/");
}

/**
 * Base64 has slashes, too, and none of its pieces is a word. A path is kept up to its first part that is
 * none.
 */
function runWords(run: string): string {
  if (run.length < MIN_OPAQUE) return run;
  const parts = run.split("/");
  const bad = parts.findIndex((part) => !isWords(part));
  if (bad < 0) return run;
  const isPath =
    run.startsWith("/") && bad >= 3 && parts.slice(1, bad).every((each) => each !== "");
  return isPath ? [...parts.slice(0, bad), LEFT_OUT].join("/") : LEFT_OUT;
}

function isWords(text: string): boolean {
  return text.split(/[-_+=.~%]/).every((piece) => WORD.test(piece));
}

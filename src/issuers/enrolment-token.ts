/**
 * A one-time token of step-ca, read before it is spent: the first attempt uses it up, also one that is
 * then refused. Its signature is the authority's to check; here it is only asked whether it can succeed.
 * Pure.
 */
import { isIP } from "node:net";
import type { CertificateRequest } from "../identity/exchange/certificate-request.ts";
import { IssuerError } from "../identity/issuer.ts";
import { formatMoment } from "../identity/span-words.ts";
import type { TimeView } from "../identity/time/time-view.ts";

export interface EnrolmentToken {
  readonly subject: string;
  /** Names that the request must have, no more and no fewer; mail addresses left out. */
  readonly names: {
    readonly dns: readonly string[];
    readonly ip: readonly string[];
    readonly uri: readonly string[];
  };
  /** There are mail addresses among the names, which our requests can't carry. */
  readonly mail: boolean;
  /** SHA-256 of the request (DER) that it is bound to, base64url; `undefined` for any. */
  readonly requestSha256: string | undefined;
}

export interface TokenContext {
  readonly url: URL;
  /** Fingerprints of pinned roots, hexadecimal. */
  readonly rootSha256: readonly string[];
  readonly time: TimeView;
}

/** Longer is no token: step-ca's are below 1 KiB, with certificates inside (x5c) below 16 KiB. */
export const MAX_TOKEN_CHARACTERS = 32_768;
/** As step-ca allows. */
const LEEWAY_MS = 60_000;
/** X.520 upper bound of a common name (RFC 5280 appendix A.1). */
const MAX_COMMON_NAME = 64;

/** @throws IssuerError `token`, without anything of the token but its names. */
export function readEnrolmentToken(text: string, context: TokenContext): EnrolmentToken {
  const claims = claimsOf(text.trim());
  const subject = claims["sub"];
  if (typeof subject !== "string" || subject === "") throw unfit("it names no subject (sub)");
  checkAudience(claims, context);
  checkDates(claims, context.time);
  const sans = claims["sans"] ?? [];
  if (!Array.isArray(sans) || !sans.every((name): name is string => typeof name === "string")) {
    throw unfit("its names (sans) are not a list of texts");
  }
  const all = sans.length === 0 ? [subject] : sans;
  const cnf = claims["cnf"];
  const bound = (cnf as Record<string, unknown> | null | undefined)?.["x5rt#S256"];
  return {
    subject,
    names: {
      ip: all.filter((name) => isIP(name) !== 0),
      uri: all.filter((name) => isUri(name)),
      dns: all.filter((name) => isIP(name) === 0 && !isUri(name) && !name.includes("@")),
    },
    mail: all.some((name) => name.includes("@") && !isUri(name)),
    requestSha256: typeof bound === "string" ? bound : undefined,
  };
}

/** The request that the token allows. */
export function requestFor({ subject, names, mail }: EnrolmentToken): CertificateRequest {
  const commonName = [...subject].length <= MAX_COMMON_NAME ? subject : "";
  if (!mail) return { commonName, sans: names };
  if (commonName === "")
    throw unfit("it has mail addresses as names and a subject over 64 letters");
  // A request without names gets those of the token.
  return { commonName, sans: {} };
}

function claimsOf(token: string): Record<string, unknown> {
  const parts = token.split(".");
  const form = /^[A-Za-z0-9_-]+$/;
  if (
    token.length > MAX_TOKEN_CHARACTERS ||
    parts.length !== 3 ||
    !parts.every((p) => form.test(p))
  ) {
    throw unfit("it is not a compact JWT (three parts of base64url with dots between them)");
  }
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1] ?? "", "base64url").toString());
    if (typeof claims === "object" && claims !== null && !Array.isArray(claims)) {
      return claims as Record<string, unknown>;
    }
  } catch {
    // Node's message would quote the token.
  }
  throw unfit("its claims are not a JSON object");
}

/** The port is not compared: step-ca does not either. */
function checkAudience(claims: Record<string, unknown>, { url, rootSha256 }: TokenContext): void {
  const { aud, sha } = claims;
  if (typeof sha === "string" && !rootSha256.includes(sha.toLowerCase())) {
    throw unfit("it was made for an authority with another root than the one that is pinned");
  }
  const audiences = (Array.isArray(aud) ? aud : [aud]).filter((each) => typeof each === "string");
  const parsed = audiences.map((each) => URL.parse(each)).filter((each) => each !== null);
  const forSigning = parsed.filter(({ pathname }) => /^(?:\/1\.0)?\/sign$/.test(pathname));
  if (forSigning.length === 0) throw unfit("it is not for having a certificate signed (aud)");
  // With the fingerprint it is certain whose it is, by whatever name.
  if (typeof sha === "string" || forSigning.some(({ hostname }) => hostname === url.hostname))
    return;
  const hosts = forSigning.map(({ hostname }) => JSON.stringify(hostname.slice(0, 100))).join(", ");
  throw unfit(`it is for the authority at ${hosts}, and issuer.url names "${url.hostname}"`);
}

/** Refuses only what is certain: on a device without a clock the authority is the better judge. */
function checkDates({ exp, nbf }: Record<string, unknown>, time: TimeView): void {
  const trusted = time.state === "network" || time.state === "authenticated";
  const atLeast = trusted ? time.nowMs : time.floorMs;
  if (typeof exp === "number" && exp * 1_000 + LEEWAY_MS < atLeast) {
    throw unfit(`it expired ${formatMoment(exp * 1_000)}`);
  }
  if (trusted && typeof nbf === "number" && nbf * 1_000 - LEEWAY_MS > time.nowMs) {
    throw unfit(`it counts from ${formatMoment(nbf * 1_000)} on`);
  }
}

function isUri(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*:\/?\/?[^:]/.test(name) && isIP(name) === 0;
}

/** The token has not been spent. */
function unfit(words: string): IssuerError {
  return new IssuerError("ERR_ISSUER_TOKEN", {
    reason: "token",
    words: `the token can't be used: ${words}; it was not spent`,
    permanent: true,
  });
}

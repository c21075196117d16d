/**
 * What goes wrong on the way to an issuing authority, as the errors of its port. A proxy that inspects
 * TLS, a captive portal and a wrong address look alike from here, and all are said.
 */
import { errorText } from "../base/errors.ts";
import { IssuerError, type IssuerReason } from "../identity/issuer.ts";
import { connectWords, type HandshakeFailure } from "./node-error.ts";

/** Nobody there, or the connection broke. */
export function unreachable(
  where: string,
  reason: IssuerReason,
  error: unknown,
  lostAnswer: boolean,
): IssuerError {
  const text = errorText(error);
  const portal = text.includes("captive portal");
  const code = (error as { code?: unknown } | undefined)?.code;
  const own = typeof code === "string" && code.startsWith("ERR_RPC_");
  const words = own
    ? text
    : lostAnswer
      ? `${where} broke the connection (${String(code ?? text)})`
      : connectWords(error, where);
  return new IssuerError("ERR_ISSUER_UNREACHABLE", {
    reason: portal ? "captive-portal" : reason,
    words,
    lostAnswer,
    cause: error,
  });
}

/** Our certificate was refused; `undefined` when the failure is another. */
export function clientRefused(
  where: string,
  { cause, words, fix }: HandshakeFailure,
  error: unknown,
): IssuerError | undefined {
  if (cause !== "rejected-by-peer" && cause !== "peer-wants-certificate") return undefined;
  const said = `${where}: ${words}`;
  const code = String((error as { code?: unknown } | undefined)?.code);
  if (code.endsWith("_CERTIFICATE_EXPIRED")) {
    return new IssuerError("ERR_ISSUER_REFUSED", { reason: "expired", words: said, fix });
  }
  return new IssuerError("ERR_ISSUER_ENROL", {
    reason: "needs-enrolment",
    words: said,
    permanent: true,
  });
}

/** Whoever answered is not the pinned authority, or can't be told from another. */
export function untrusted(
  where: string,
  { cause, words, fix }: { readonly cause: string; readonly words: string; readonly fix: string },
): IssuerError {
  if (cause === "reset" || cause === "timeout") {
    return new IssuerError("ERR_ISSUER_UNREACHABLE", {
      reason: cause === "timeout" ? "timeout" : "unreachable",
      words: `${where}: ${words}`,
    });
  }
  if (cause === "plain-http" || cause === "not-tls") {
    return new IssuerError("ERR_ISSUER_UNREACHABLE", {
      reason: "captive-portal",
      words: `${where}: ${words}; a captive portal, or the wrong port`,
    });
  }
  const dates = cause === "expired" || cause === "not-yet-valid";
  const also = cause === "unknown-authority" || cause === "chain" || cause === "name-mismatch";
  const guess = also
    ? "; another authority, one that has changed its root, a proxy that inspects TLS, or a captive portal"
    : "";
  return new IssuerError("ERR_ISSUER_UNTRUSTED", {
    reason: dates ? "clock" : "untrusted",
    words: `${where} is not the authority that is pinned: ${words}${guess}`,
    ...(dates && fix !== "" ? { fix } : {}),
  });
}

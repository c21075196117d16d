/**
 * Answers of an authority that are no certificate, as the errors of the issuer port. Only the status
 * counts: bodies of step-ca's refusals are mostly one generic text, and belong to nobody's log.
 */
import { IssuerError } from "../identity/issuer.ts";
import type { IssuerReply } from "../transport/issuer-reply.ts";

/** By which credentials was asked: that decides what a 401 means. */
export type AskedBy = "token" | "certificate" | "renewal-token" | "password" | "nothing";

const REFUSED: Readonly<Record<AskedBy, string>> = {
  token:
    "does not take the token: it is spent, expired, made before the authority was restarted, or of another provisioner",
  certificate:
    "does not renew this certificate: it is revoked there, or its provisioner is gone or renews nothing",
  "renewal-token":
    "does not renew this certificate: it is revoked, or renewal after expiry is not allowed there, or its root or provisioner is gone",
  password: "does not take the user name and password",
  nothing: "wants to know who asks",
};

/** What `status` means after `askedBy`; the caller has seen that it is no success. */
export function replyFailure(reply: IssuerReply, where: string, askedBy: AskedBy): IssuerError {
  const { status, requestId, retryAfterMs } = reply;
  const spends = askedBy === "token";
  if (status === 429 || status === 503) {
    const span = retryAfterMs === undefined ? "" : ` for ${Math.ceil(retryAfterMs / 1_000)} s`;
    return new IssuerError("ERR_ISSUER_BUSY", {
      reason: "busy",
      words: `${where} asks for patience${span} (HTTP ${status})`,
      requestId,
      retryAfterMs,
      lostAnswer: spends && status === 503,
    });
  }
  if (status >= 500) {
    return new IssuerError("ERR_ISSUER_BUSY", {
      reason: "server-error",
      words: `${where} failed (HTTP ${status})`,
      fix: `look into the authority's log${requestId === undefined ? "" : " for the request id"}`,
      requestId,
      retryAfterMs,
      lostAnswer: true,
    });
  }
  if (status === 401 || (status === 403 && askedBy === "password")) {
    const words = `${where} ${REFUSED[askedBy]} (HTTP ${status})`;
    const failure = { words, permanent: true, requestId };
    if (spends) return new IssuerError("ERR_ISSUER_TOKEN", { reason: "token", ...failure });
    if (askedBy === "password" || askedBy === "nothing") {
      const fix = "check issuer.username and issuer.password_file";
      return new IssuerError("ERR_ISSUER_REFUSED", { reason: "refused", fix, ...failure });
    }
    return new IssuerError("ERR_ISSUER_ENROL", { reason: "needs-enrolment", ...failure });
  }
  if (status === 404 || status === 405 || status < 400) {
    return new IssuerError("ERR_ISSUER_ANSWER", {
      reason: "answer",
      words: `${where} knows nothing of this kind of request (HTTP ${status}): it is no authority of the configured kind, or issuer.url has a wrong path`,
      permanent: true,
      requestId,
    });
  }
  const spent = spends ? "; the token is spent by this attempt" : "";
  return new IssuerError("ERR_ISSUER_REFUSED", {
    reason: "refused",
    words: `${where} refuses what was asked (HTTP ${status}): its policy on names, keys or lifetime does not allow it${spent}`,
    permanent: true,
    lostAnswer: spends,
    requestId,
  });
}

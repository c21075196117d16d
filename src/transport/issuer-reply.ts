/** Reads what an authority answered, up to a limit; web pages and redirections are no answers. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { IssuerError } from "../identity/issuer.ts";
import { retryAfterOf } from "./retry-after.ts";

export interface IssuerReply {
  readonly status: number;
  /** In lower case, without parameters; empty when there is none. */
  readonly contentType: string;
  readonly body: Buffer;
  /** The authority's number for this exchange, printable. */
  readonly requestId: string | undefined;
  /** From now on, at most a day. */
  readonly retryAfterMs: number | undefined;
}

export interface ReplyLimits {
  readonly where: string;
  readonly maxBytes: number;
  /** Wall clock, Unix ms; only for `Retry-After` dates without a `Date` beside them. */
  readonly nowMs: number;
  /** It was no mere reading: what can't be understood may have been a certificate. */
  readonly posted: boolean;
}

/** @throws IssuerError `captive-portal` or `answer`; an error of the connection as it is. */
export async function readReply(
  response: IncomingMessage,
  { where, maxBytes, nowMs, posted: lostAnswer }: ReplyLimits,
): Promise<IssuerReply> {
  const { statusCode: status = 0, headers } = response;
  const contentType = (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  const requestId = requestIdOf(headers);
  const page = status < 400 && contentType === "text/html";
  if (page || status === 511 || (status >= 300 && status < 400)) {
    const what = page ? "a web page" : status === 511 ? "a demand to log in" : "a redirection";
    throw new IssuerError("ERR_ISSUER_UNREACHABLE", {
      reason: "captive-portal",
      words: `${where} answers with ${what} (HTTP ${status}), not as an authority does: this looks like a captive portal or a proxy's page; log in to the network first`,
      requestId,
      lostAnswer,
    });
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  const tooLarge = (): IssuerError =>
    new IssuerError("ERR_ISSUER_ANSWER", {
      reason: "answer",
      words: `${where}: the answer is larger than ${maxBytes} bytes`,
      requestId,
      lostAnswer,
    });
  if (Number(headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
  for await (const chunk of response) {
    const bytes = chunk as Uint8Array;
    length += bytes.length;
    if (length > maxBytes) throw tooLarge();
    chunks.push(bytes);
  }
  if (!response.complete) throw Object.assign(new Error("cut off"), { code: "ECONNRESET" });
  const retryAfterMs = retryAfterOf(headers, nowMs);
  return { status, contentType, body: Buffer.concat(chunks, length), requestId, retryAfterMs };
}

function requestIdOf(headers: IncomingHttpHeaders): string | undefined {
  const value = headers["x-request-id"];
  return typeof value === "string" && /^[\x21-\x7e]{1,100}$/.test(value) ? value : undefined;
}

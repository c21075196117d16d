/**
 * A reply of go-micro's HTTP transport: the headers that ours has, and what theirs mean
 * (`docs/wire.md`, "Headers", "Errors", "Streams").
 *
 * Ours echoes `Content-Type`, `Micro-Id` and `Micro-Stream`, nothing else: go-micro echoes all headers
 * of a connection's first request in every reply, `Authorization` included. For the same reason no
 * header of a reply tells which call it answers.
 */
import { type MicroError, parseMicroError, statusText } from "./error.ts";
import type { ResponseHead } from "./message.ts";
import { addMetadata, END_OF_STREAM, type HeaderPair, type RequestMeta } from "./request.ts";

/** What of a request its replies repeat. */
export type ReplyTo = Pick<RequestMeta, "contentType" | "id" | "streamId">;

/**
 * Headers of a good reply, for `formatReply`.
 *
 * @param metadata Of the handler. Names that are the transport's own are left out.
 */
export function replyHeaders(
  to: ReplyTo,
  metadata?: Iterable<readonly [name: string, value: string]>,
): HeaderPair[] {
  const headers: HeaderPair[] = [["content-type", to.contentType]];
  if (to.id !== "") headers.push(["micro-id", to.id]);
  if (to.streamId !== undefined) headers.push(["micro-stream", to.streamId]);
  addMetadata(headers, metadata);
  return headers;
}

/**
 * Headers of an error reply.
 *
 * @param error From `formatMicroError`, or {@link END_OF_STREAM}.
 */
export function errorHeaders(
  to: ReplyTo,
  error: string,
  metadata?: Iterable<readonly [name: string, value: string]>,
): HeaderPair[] {
  const headers = replyHeaders(to, metadata);
  headers.push(["micro-error", error]);
  return headers;
}

export type Reply =
  /** The body is the answer, in the codec of the request. */
  | { readonly kind: "ok" }
  | { readonly kind: "error"; readonly error: MicroError }
  | { readonly kind: "end-of-stream" };

const OK: Reply = { kind: "ok" };
const END: Reply = { kind: "end-of-stream" };

/** The id of an error that the transport made of what is no reply of a service: a proxy's page, say. */
export const TRANSPORT_ID = "go.micro.client.transport";

/** Longest part of a text body that an error repeats, in bytes. */
const MAX_TEXT_BODY = 1024;

/** What a reply says. Never fails; an error inside a json-rpc or proto-rpc body is the codec's to find. */
export function readReply(head: ResponseHead, body: Uint8Array): Reply {
  const { headers, status } = head;
  if (status !== 200) return transportError(head, body);
  const error = headers.get("micro-error") || headers.get("x-micro-error") || "";
  if (error === END_OF_STREAM) return END;
  if (error !== "") return { kind: "error", error: parseMicroError(error) };
  // A content type that the server does not speak gets a text and no Micro-Error.
  if (headers.get("content-type")?.startsWith("text/plain") === true) {
    return { kind: "error", error: parseMicroError(textOf(body)) };
  }
  return OK;
}

/** What is not 200 comes from the HTTP stack of the peer: plain HTTP to a TLS port, a redirect, a proxy. */
function transportError({ status, reason, headers }: ResponseHead, body: Uint8Array): Reply {
  const micro = headers.get("micro-error");
  if (micro !== undefined && micro !== "" && micro !== END_OF_STREAM) {
    return { kind: "error", error: parseMicroError(micro) };
  }
  const text = textOf(body);
  const line = reason === "" ? String(status) : `${status} ${reason}`;
  const code = status >= 400 ? status : 500;
  return {
    kind: "error",
    error: {
      id: TRANSPORT_ID,
      code,
      detail: text === "" ? line : `${line}: ${text}`,
      status: statusText(code),
    },
  };
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, MAX_TEXT_BODY))
    .toString("utf8")
    .trim();
}

/**
 * Whole replies, head and body in one buffer.
 *
 * Errors go out in `Micro-Error` and, for readers of the fall-back names, in `X-Micro-Error`; the body
 * is empty but for json-rpc and proto-rpc, which repeat the error inside.
 */
import type { Codec, Envelope } from "../../wire/codec/codec.ts";
import { formatMicroError, type MicroError } from "../../wire/mucp/error.ts";
import { formatReply } from "../../wire/mucp/message-writer.ts";
import { errorHeaders, type ReplyTo, replyHeaders } from "../../wire/mucp/reply.ts";
import { END_OF_STREAM, type HeaderPair } from "../../wire/mucp/request.ts";
import type { Failure } from "./failure.ts";

type Metadata = ReadonlyMap<string, string> | undefined;

const EMPTY = new Uint8Array(0);

/** To a peer whose message could not be read: nothing is known about the call. */
const NO_REQUEST: ReplyTo = { contentType: "application/json", id: "", streamId: undefined };

/** @throws AgentError `ERR_WIRE_MESSAGE` if a name in `metadata` is not a header name. */
export function goodReply(to: ReplyTo, body: Uint8Array, metadata: Metadata): Uint8Array {
  return formatReply(replyHeaders(to, metadata), body);
}

/** The answer to an event: received, and nothing to say. */
export function emptyReply(to: ReplyTo): Uint8Array {
  return formatReply(replyHeaders(to), EMPTY);
}

/**
 * The end of a stream from our side. go-micro's client reads the envelope of json-rpc and proto-rpc
 * even here, and takes an empty body for a broken message.
 */
export function endOfStreamReply(to: ReplyTo, codec: Codec, envelope: Envelope): Uint8Array {
  const headers = withCopy(errorHeaders(to, END_OF_STREAM), END_OF_STREAM);
  return formatReply(headers, codec.writeError(END_OF_STREAM, envelope));
}

/**
 * @param codec `undefined` for a content type that we don't speak: go-micro answers with a text then;
 *   we do, and say it in `Micro-Error` too.
 */
export function errorReply(
  to: ReplyTo,
  codec: Codec | undefined,
  { micro: error, retryAfterMs }: Failure,
  envelope: Envelope,
): Uint8Array {
  const text = formatMicroError(error);
  const wait = retryAfterMs === undefined ? undefined : [retryAfter(retryAfterMs)];
  if (codec === undefined) {
    const plain = { ...to, contentType: "text/plain" };
    return formatReply(withCopy(errorHeaders(plain, text, wait), text), Buffer.from(error.detail));
  }
  return formatReply(
    withCopy(errorHeaders(to, text, wait), text),
    codec.writeError(text, envelope),
  );
}

/** RFC 9110 section 10.2.3: whole seconds; a peer that comes back early would only be refused again. */
function retryAfter(ms: number): HeaderPair {
  return ["retry-after", String(Math.ceil(ms / 1000))];
}

/** The last answer on a connection whose next message can't be read. */
export function connectionErrorReply(error: MicroError): Uint8Array {
  const text = formatMicroError(error);
  return formatReply(withCopy(errorHeaders(NO_REQUEST, text), text), EMPTY);
}

function withCopy(headers: HeaderPair[], error: string): HeaderPair[] {
  headers.push(["x-micro-error", error]);
  return headers;
}

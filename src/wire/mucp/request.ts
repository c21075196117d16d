/**
 * A request of go-micro's HTTP transport: what its headers mean, and how to write them
 * (`docs/wire.md`, "Headers", "Legacy codecs", "Streams", "Events"). Method and target of the message mean nothing.
 */
import type { Codec } from "../codec/codec.ts";
import { codecFor } from "../codec/codecs.ts";
import { isTransportHeader } from "./header-names.ts";
import type { MessageHeaders, RequestHead } from "./message.ts";
import { MetadataView } from "./metadata.ts";
import { formatTimeout, parseTimeout } from "./timeout.ts";

/** The error text that ends a stream, in either direction. */
export const END_OF_STREAM = "EOS";

/** What go-micro takes a missing `Content-Type` for. */
export const DEFAULT_CONTENT_TYPE = "application/protobuf";

/** What a content type means to a peer from before the `Micro-*` headers. */
const LEGACY_TYPES: ReadonlyMap<string, string> = new Map([
  ["application/json", "application/json-rpc"],
  ["application/protobuf", "application/proto-rpc"],
  ["application/octet-stream", "application/proto-rpc"],
]);

export interface RequestMeta {
  /** Service that the caller means; `undefined` if it does not say. go-micro does not check it. */
  readonly service: string | undefined;
  /** `Handler.Method`; empty when only the body's envelope names it (see {@link Codec.openRequest}). */
  readonly endpoint: string;
  /** As it came; empty if none. */
  readonly id: string;
  /** The message is part of a stream, or of a unary call that wants to be told apart. */
  readonly streamId: string | undefined;
  /** As it came, to be echoed: even where the legacy switch reads it as another. */
  readonly contentType: string;
  /** `undefined` for a content type that we don't speak. */
  readonly codec: Codec | undefined;
  /** Whether the legacy-codec switch chose the codec. */
  readonly legacy: boolean;
  /** Whole milliseconds, 1 to an hour; `undefined` when the caller set no limit. */
  readonly timeoutMs: number | undefined;
  /** An event for subscribers of this topic, not a call. */
  readonly topic: string | undefined;
  /** The caller ends the stream. */
  readonly endOfStream: boolean;
  /** Any other `Micro-Error` of the caller; go-micro ends the stream with it. */
  readonly error: string | undefined;
  /** Everything that is not the transport's own, by lower-case name. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** A header with its `X-` fall-back; an empty value counts as absent, as in go-micro. */
function header(headers: MessageHeaders, name: string, fallback: string): string {
  const value = headers.get(name);
  if (value !== undefined && value !== "") return value;
  return headers.get(fallback) ?? "";
}

const orUndefined = (value: string): string | undefined => (value === "" ? undefined : value);

/**
 * Never fails: what a header can't mean is as if it were absent (see `timeout.ts`).
 *
 * @param findCodec By content type; default: the built-in codecs.
 */
export function readRequest(
  head: RequestHead,
  findCodec: (contentType: string) => Codec | undefined = codecFor,
): RequestMeta {
  const { headers } = head;
  const service = header(headers, "micro-service", "x-micro-service");
  const method = header(headers, "micro-method", "x-micro-method");
  const endpoint = header(headers, "micro-endpoint", "x-micro-endpoint") || method;
  const topic = header(headers, "micro-topic", "x-micro-topic");
  const error = header(headers, "micro-error", "x-micro-error");
  const contentType = headers.get("content-type") || DEFAULT_CONTENT_TYPE;
  const legacy =
    topic === "" &&
    header(headers, "micro-protocol", "x-micro-protocol") === "" &&
    ((service === "" && endpoint === "") ||
      header(headers, "micro-target", "x-micro-target") !== "");
  const endOfStream = error === END_OF_STREAM;
  return {
    service: orUndefined(service),
    endpoint,
    id: header(headers, "micro-id", "x-micro-id"),
    streamId: orUndefined(header(headers, "micro-stream", "x-micro-stream")),
    contentType,
    codec: findCodec(legacy ? (LEGACY_TYPES.get(contentType) ?? contentType) : contentType),
    legacy,
    timeoutMs: parseTimeout(headers.get("timeout")),
    topic: orUndefined(topic),
    endOfStream,
    error: endOfStream ? undefined : orUndefined(error),
    metadata: new MetadataView(headers),
  };
}

/** What a server does with a message, given what it knows. */
export type MessageRole =
  /** Call the endpoint with the body, answer once. */
  | "unary"
  /** Start the stream; the body means nothing (go-micro discards it, and sends it again as a message). */
  | "open"
  /** Give the body to the open stream. */
  | "message"
  /** The caller ends the open stream; the body means nothing. */
  | "end"
  /** An end of a stream that is not open, because it has ended already: nothing is expected. */
  | "stray-end"
  /** For subscribers of `topic`. */
  | "event";

/**
 * Tells an opening message from one that follows it: the headers are the same, so only the server's
 * memory of open streams can. `Micro-Stream` on a unary endpoint is a plain call.
 *
 * @param mode Of the endpoint; `undefined` if there is none or it is not known yet.
 * @param open Whether the stream `meta.streamId` is open on this connection.
 */
export function messageRole(
  meta: Pick<RequestMeta, "streamId" | "topic" | "endOfStream">,
  mode: "unary" | "stream" | undefined,
  open: boolean,
): MessageRole {
  if (meta.streamId === undefined) return meta.topic === undefined ? "unary" : "event";
  if (open) return meta.endOfStream ? "end" : "message";
  if (meta.endOfStream) return "stray-end";
  return mode === "stream" ? "open" : "unary";
}

/** What a client says about one message. */
export interface OutgoingRequest {
  readonly service: string;
  /** `Handler.Method`. */
  readonly endpoint: string;
  readonly id: string;
  /** As on the wire: a legacy node wants `application/json-rpc` where others want JSON. */
  readonly contentType: string;
  /** For streams; also unique for each unary call, which keeps a go-micro server from losing it. */
  readonly streamId?: string | undefined;
  /** Milliseconds that the caller waits; the server's handler gets it as its deadline. */
  readonly timeoutMs?: number | undefined;
  /** This message ends the stream; it has no body. */
  readonly endOfStream?: boolean;
  /** Names in any case. Names that are the transport's own are left out. */
  readonly metadata?: Iterable<readonly [name: string, value: string]> | undefined;
}

export type HeaderPair = readonly [name: string, value: string];

/** The headers of a message to a server, for `formatRequest`. */
export function requestHeaders(request: OutgoingRequest): HeaderPair[] {
  const headers: HeaderPair[] = [
    ["content-type", request.contentType],
    ["accept", request.contentType],
    ["micro-service", request.service],
    ["micro-method", request.endpoint],
    ["micro-endpoint", request.endpoint],
    ["micro-id", request.id],
  ];
  if (request.streamId !== undefined) headers.push(["micro-stream", request.streamId]);
  if (request.timeoutMs !== undefined) headers.push(["timeout", formatTimeout(request.timeoutMs)]);
  if (request.endOfStream === true) headers.push(["micro-error", END_OF_STREAM]);
  addMetadata(headers, request.metadata);
  return headers;
}

/** Appends metadata without what would describe the message itself. */
export function addMetadata(
  headers: HeaderPair[],
  metadata: Iterable<HeaderPair> | undefined,
): void {
  if (metadata === undefined) return;
  for (const pair of metadata) {
    if (!isTransportHeader(pair[0].toLowerCase())) headers.push(pair);
  }
}

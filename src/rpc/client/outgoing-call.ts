/**
 * A call as it goes out: checked, its body encoded once, formatted anew for each attempt. And back: what
 * a reply means. Shared by unary calls and streams.
 */
import { AgentError } from "../../base/errors.ts";
import type { ServiceNode } from "../../registry/record.ts";
import type { Codec, CodecName } from "../../wire/codec/codec.ts";
import { codecFor } from "../../wire/codec/codecs.ts";
import type { Shape } from "../../wire/codec/shape.ts";
import { parseMicroError } from "../../wire/mucp/error.ts";
import type { ResponseHead } from "../../wire/mucp/message.ts";
import { formatRequest } from "../../wire/mucp/message-writer.ts";
import { readReply } from "../../wire/mucp/reply.ts";
import { requestHeaders } from "../../wire/mucp/request.ts";
import { assertCallee, metadataEntries } from "./options.ts";
import { RemoteError, retryAfterMs } from "./remote-error.ts";

/** The ids of one message: both decimal, both from the client's one counter. */
export interface MessageIds {
  readonly id: string;
  /** `Micro-Stream`; `undefined`: not sent. */
  readonly streamId: string | undefined;
}

export type IncomingReply<R> =
  | { readonly kind: "message"; readonly body: R }
  | { readonly kind: "end" };

export class OutgoingCall<Q, R> {
  readonly service: string;
  readonly endpoint: string;
  readonly #codec: Codec;
  readonly #request: Shape<Q>;
  readonly #response: Shape<R>;
  readonly metadata: readonly (readonly [string, string])[];

  /** @throws AgentError `ERR_RPC_BAD_REQUEST`. */
  constructor(
    callee: { readonly service: string; readonly endpoint: string },
    codec: CodecName,
    shapes: { readonly request: Shape<Q>; readonly response: Shape<R> },
    metadata: Readonly<Record<string, string>> | undefined,
  ) {
    assertCallee(callee.service, callee.endpoint);
    this.service = callee.service;
    this.endpoint = callee.endpoint;
    this.#codec = codecNamed(codec);
    this.#request = shapes.request;
    this.#response = shapes.response;
    this.metadata = metadataEntries(metadata);
  }

  /** For messages: `greeter Greeter.Hello`. */
  get what(): string {
    return `${this.service} ${this.endpoint}`;
  }

  /** @throws AgentError `ERR_RPC_BAD_REQUEST`, `ERR_WIRE_BODY`, `ERR_WIRE_CONTENT_TYPE`. */
  encode(body: Q, id: string): Uint8Array {
    return this.encodeAs(body, this.#request, id);
  }

  encodeAs<T>(body: T, shape: Shape<T>, id: string): Uint8Array {
    return this.#codec.writeRequest(body, shape, { endpoint: this.endpoint, id });
  }

  /** One whole message. @param timeoutMs What the server may take; `undefined` or infinite: not sent. */
  format(
    node: ServiceNode,
    ids: MessageIds,
    timeoutMs: number | undefined,
    body: Uint8Array,
    endOfStream = false,
  ): Uint8Array {
    const headers = requestHeaders({
      service: this.service,
      endpoint: this.endpoint,
      id: ids.id,
      streamId: ids.streamId,
      contentType: this.#codec.contentType,
      timeoutMs: wholeMs(timeoutMs),
      endOfStream,
      metadata: this.metadata,
    });
    return formatRequest({ host: node.address }, headers, body);
  }

  /**
   * What a reply says.
   *
   * @param now Unix milliseconds, for a `Retry-After` that is a date.
   * @throws AgentError {@link RemoteError} if it is an error; `ERR_WIRE_BODY` if it can't be decoded.
   */
  read(head: ResponseHead, bytes: Uint8Array, node: ServiceNode, now: number): IncomingReply<R> {
    const reply = readReply(head, bytes);
    if (reply.kind === "end-of-stream") return { kind: "end" };
    const refused = (error: RemoteError["remote"]): RemoteError =>
      new RemoteError(
        error,
        node.address,
        retryAfterMs(head.headers.get("retry-after"), error.detail, now),
      );
    if (reply.kind === "error") throw refused(reply.error);
    const decoded = this.#codec.readReply(bytes, this.#response);
    // json-rpc and proto-rpc have a place for the error in the body as well.
    if (!decoded.ok) throw refused(parseMicroError(decoded.error));
    return { kind: "message", body: decoded.value };
  }
}

/** A limit never rounds down to nothing, which a server would take for none at all. */
function wholeMs(timeoutMs: number | undefined): number | undefined {
  if (timeoutMs === undefined || timeoutMs === Infinity) return undefined;
  return Math.max(1, Math.ceil(timeoutMs));
}

const CONTENT_TYPES: Readonly<Record<CodecName, string>> = {
  json: "application/json",
  protobuf: "application/protobuf",
  "json-rpc": "application/json-rpc",
  "proto-rpc": "application/proto-rpc",
  bytes: "application/octet-stream",
};

function codecNamed(name: CodecName): Codec {
  // A caller without types may give any text.
  const codec = Object.hasOwn(CONTENT_TYPES, name) ? codecFor(CONTENT_TYPES[name]) : undefined;
  if (codec === undefined) {
    const known = Object.keys(CONTENT_TYPES).join(", ");
    throw new AgentError("ERR_RPC_BAD_REQUEST", `codec ${name} is not one of ${known}`);
  }
  return codec;
}

/**
 * A codec: how a request or a reply body is wrapped, for one content type of go-micro's HTTP
 * transport (`docs/wire.md`, "Codecs"). Pure: bytes in, values out.
 */
import type { Shape } from "./shape.ts";

export type CodecName = "json" | "protobuf" | "json-rpc" | "proto-rpc" | "bytes";

/** What the envelope of json-rpc and proto-rpc carries beside the message; empty for the others. */
export interface Envelope {
  /** `Handler.Method`. */
  readonly endpoint: string;
  /** Decimal call id, echoed in the reply. */
  readonly id: string;
}

/** A request body of which the envelope is read and the message is not yet: the bytes are parsed once. */
export interface OpenedRequest {
  readonly envelope: Envelope;
  /** The message, once. It may look at the bytes again: they must not have changed. */
  read<T>(shape: Shape<T>): T;
}

export type DecodedReply<T> =
  | { readonly ok: true; readonly value: T }
  /** The error text in a json-rpc or proto-rpc envelope, as it stands there. */
  | { readonly ok: false; readonly error: string };

export interface Codec {
  readonly name: CodecName | "custom";
  /** As on the wire, exactly; go-micro compares it without parameters. */
  readonly contentType: string;
  /**
   * Opens a body that has an envelope, whose endpoint legacy requests without headers need;
   * `undefined` if this codec has none: then {@link readRequest} reads.
   */
  openRequest(bytes: Uint8Array): OpenedRequest | undefined;
  /** An empty body is the zero message. */
  readRequest<T>(bytes: Uint8Array, shape: Shape<T>): T;
  writeRequest<T>(value: T, shape: Shape<T>, envelope: Envelope): Uint8Array;
  readReply<T>(bytes: Uint8Array, shape: Shape<T>): DecodedReply<T>;
  writeReply<T>(value: T, shape: Shape<T>, envelope: Envelope): Uint8Array;
  /** Body that goes with a `Micro-Error` header: empty, but for json-rpc and proto-rpc. */
  writeError(error: string, envelope: Envelope): Uint8Array;
}

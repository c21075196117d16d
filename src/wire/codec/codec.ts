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

export type DecodedReply<T> =
  | { readonly ok: true; readonly value: T }
  /** The error text in a json-rpc or proto-rpc envelope, as it stands there. */
  | { readonly ok: false; readonly error: string };

export interface Codec {
  readonly name: CodecName;
  /** As on the wire, exactly; go-micro compares it without parameters. */
  readonly contentType: string;
  /** Endpoint and id from the envelope, for legacy requests that lack headers; `undefined` if there is no envelope. */
  peekEnvelope(bytes: Uint8Array): Envelope | undefined;
  /** An empty body is the zero message. */
  readRequest<T>(bytes: Uint8Array, shape: Shape<T>): T;
  writeRequest<T>(value: T, shape: Shape<T>, envelope: Envelope): Uint8Array;
  readReply<T>(bytes: Uint8Array, shape: Shape<T>): DecodedReply<T>;
  writeReply<T>(value: T, shape: Shape<T>, envelope: Envelope): Uint8Array;
  /** Body that goes with a `Micro-Error` header: empty, but for json-rpc and proto-rpc. */
  writeError(error: string, envelope: Envelope): Uint8Array;
}

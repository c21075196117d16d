/**
 * An endpoint: a typed function, the shapes of what goes in and out, and what kind of thing it does.
 */
import type { Shape } from "../wire/codec/shape.ts";
import type { Call, EndpointKind } from "./call.ts";

interface EndpointBase<Q, R> {
  /** Default where an author does not say: `write`, the careful one. */
  readonly kind: EndpointKind;
  readonly request: Shape<Q>;
  readonly response: Shape<R>;
}

export interface UnaryEndpoint<Q, R> extends EndpointBase<Q, R> {
  readonly mode: "unary";
  /** Answer with a value when there is nothing to wait for: a promise costs every call. */
  handle(request: Q, call: Call): R | Promise<R>;
}

export interface StreamEndpoint<Q, R> extends EndpointBase<Q, R> {
  readonly mode: "stream";
  /**
   * Reads requests, yields replies; pulled no faster than the peer reads. `requests` ends when the
   * peer ends the stream; returning ends it from our side; throwing ends it with an error.
   */
  handle(requests: AsyncIterable<Q>, call: Call): AsyncIterable<R>;
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds endpoints of every type; each pairs its own shapes and function
export type Endpoint = UnaryEndpoint<any, any> | StreamEndpoint<any, any>;

/** Keeps the types of the shapes and the function together. */
export function unary<Q, R>(endpoint: Omit<UnaryEndpoint<Q, R>, "mode">): UnaryEndpoint<Q, R> {
  return { mode: "unary", ...endpoint };
}

/** Keeps the types of the shapes and the function together. */
export function stream<Q, R>(endpoint: Omit<StreamEndpoint<Q, R>, "mode">): StreamEndpoint<Q, R> {
  return { mode: "stream", ...endpoint };
}

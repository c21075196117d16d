/**
 * One call as a handler and an interceptor see it, whatever wire it came by.
 */
import type { Logger } from "../base/log.ts";
import type { Principal } from "../base/principal.ts";
import type { EndpointKind } from "../guard/endpoint-kind.ts";

export type { EndpointKind } from "../guard/endpoint-kind.ts";

export interface Call {
  /** Service name as registered here. */
  readonly service: string;
  /** `Handler.Method`. */
  readonly endpoint: string;
  readonly kind: EndpointKind;
  readonly stream: boolean;
  /** The caller's id for this call, as it came; empty if none. */
  readonly id: string;
  /** Metadata of the caller by lower-case name, without the transport's own headers. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Metadata that goes with the reply, by lower-case name; for a stream, with its first message. */
  readonly replyMetadata: Map<string, string>;
  readonly peer: Principal;
  /** Monotonic milliseconds by which the caller wants the answer; `undefined` when it set no limit. */
  readonly deadlineAt: number | undefined;
  /** Aborts when the peer goes away or the deadline passes. Made on first use. */
  readonly signal: AbortSignal;
  /** Carries peer, service and endpoint on every line. */
  readonly log: Logger;
}

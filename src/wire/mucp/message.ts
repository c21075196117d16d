/**
 * The HTTP/1.1 messages that go-micro's HTTP transport is made of. Types only; the reader and the
 * writer are beside it. A response is not tied to a request: a stream sends many for one, or none.
 */

/**
 * Headers by lower-case name. Of a repeated header only the first value is kept, as go-micro does;
 * values are UTF-8 (go-micro writes it raw), never with CR, LF or NUL.
 */
export type MessageHeaders = ReadonlyMap<string, string>;

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly headers: MessageHeaders;
  /** `Connection: close`, in any case. */
  readonly close: boolean;
  /** `Expect: 100-continue`: the peer waits for an interim answer before it sends the body. */
  readonly expectContinue: boolean;
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: MessageHeaders;
  readonly close: boolean;
}

export interface MessageLimits {
  /** Start line and headers together, in bytes. */
  readonly maxHeaderBytes: number;
  /** Number of header lines. */
  readonly maxHeaders: number;
  readonly maxBodyBytes: number;
}

export const DEFAULT_LIMITS: MessageLimits = {
  maxHeaderBytes: 64 * 1024,
  maxHeaders: 128,
  maxBodyBytes: 4 * 1024 * 1024,
};

/** What the owner of a reader wants done with the body that follows a head. */
export type BodyPlan = "keep" | "discard";

export interface MessageSink<Head> {
  /** The head is complete; the body has not been read yet. */
  onHead(head: Head): BodyPlan;
  /**
   * The message is complete. `body` is empty when discarded. It may be a view of the piece that was
   * pushed; the reader itself never writes to it again, so it may be kept if that piece may.
   */
  onMessage(head: Head, body: Uint8Array): void;
}

/** Where a reader stands; time limits differ by phase. */
export type ReaderPhase = "idle" | "head" | "body";

/**
 * Everything that bounds what one peer, or all of them, can make the server hold or wait for.
 */
import { DEFAULT_LIMITS, type MessageLimits } from "../../wire/mucp/message.ts";

export interface ServerLimits extends MessageLimits {
  /** From the connection, or from a header's first byte, to the header's end. */
  readonly headerTimeoutMs: number;
  /** From a header's end to the body's end. */
  readonly bodyTimeoutMs: number;
  /** A body must grow by {@link minBodyBytes} in every such span, or the peer is stalling. */
  readonly bodyProgressMs: number;
  readonly minBodyBytes: number;
  /** Without an open call, stream or message. */
  readonly idleTimeoutMs: number;
  /** A peer that takes none of what we write for so long is gone. */
  readonly writeTimeoutMs: number;
  /**
   * While reading is paused: how often to look whether the peer is still there, and how much may be
   * read on the way; once that much is kept, a twelfth as often. More than {@link SOCKET_BYTES}, or
   * only those would be seen.
   */
  readonly lookMs: number;
  readonly lookBytes: number;
  /** How long what still arrives is dropped after our last answer, so that the peer can read it. */
  readonly lingerMs: number;
  /** How long open calls may go on once their connection has to end. */
  readonly finishMs: number;
  /** Calls of one connection that wait for their handler or their turn; then reading pauses. */
  readonly maxPendingCalls: number;
  /** Bytes of finished replies of one connection that wait for their turn; then reading pauses. */
  readonly maxHeldBytes: number;
  /** Open streams of the whole agent and of one connection; one more is answered 503. */
  readonly maxStreams: number;
  readonly maxStreamsPerConnection: number;
  /** Messages, and bytes, of one stream that its handler has not taken; then reading pauses. */
  readonly maxStreamBacklog: number;
  readonly maxStreamBacklogBytes: number;
  /**
   * Bytes that all connections together may make us hold. At least four of the largest bodies, or
   * peers that behave could get in one another's way.
   */
  readonly maxBufferedBytes: number;
}

/**
 * What a socket holds below us, out of our sight, for each direction that stands still: what is
 * encrypted and not sent yet, what was read before the pause. Measured over 87 connections, rounded down.
 */
export const SOCKET_BYTES = 128 * 1024;

/** Our choices; the first five and `maxStreams` are configuration keys under `[rpc]`. */
export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  ...DEFAULT_LIMITS,
  headerTimeoutMs: 5_000, // go-micro's, for the first header
  bodyTimeoutMs: 30_000,
  bodyProgressMs: 15_000, // a cellular hand-over may hold everything up for ten seconds
  minBodyBytes: 1_024,
  idleTimeoutMs: 600_000,
  writeTimeoutMs: 30_000,
  lookMs: 5_000,
  lookBytes: 256 * 1024,
  lingerMs: 2_000,
  finishMs: 10_000,
  maxPendingCalls: 64,
  maxHeldBytes: 1024 * 1024,
  maxStreams: 64,
  maxStreamsPerConnection: 16,
  maxStreamBacklog: 16,
  maxStreamBacklogBytes: 1024 * 1024,
  maxBufferedBytes: 16 * 1024 * 1024,
};

const BODIES_AT_LEAST = 4;

/** The defaults for what is not given; larger bodies need more room. */
export function serverLimits(given: Partial<ServerLimits> = {}): ServerLimits {
  const limits = { ...DEFAULT_SERVER_LIMITS, ...given };
  const maxBufferedBytes =
    given.maxBufferedBytes ??
    Math.max(limits.maxBufferedBytes, BODIES_AT_LEAST * limits.maxBodyBytes);
  return { ...limits, maxBufferedBytes };
}

/**
 * Feeds bytes to a message reader in pieces of chosen sizes and records everything that comes out, in a
 * form that two readings can be compared by.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import {
  type BodyPlan,
  DEFAULT_LIMITS,
  type MessageLimits,
  type RequestHead,
  type ResponseHead,
} from "#src/wire/mucp/message.ts";
import {
  type MessageReader,
  requestReader,
  responseReader,
} from "#src/wire/mucp/message-reader.ts";

export interface RecordedMessage {
  /** `POST / close expect` or `200 OK close`. */
  readonly start: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Latin1, so that every octet shows. */
  readonly body: string;
}

export interface Reading {
  readonly messages: readonly RecordedMessage[];
  /** `CODE message` of what it ended in; `undefined` if all was well. */
  readonly error: string | undefined;
  /** What was not an AgentError of the wire. */
  readonly bug: unknown;
  /** Phase after the last piece, before the end of the connection was told. */
  readonly phase: string;
  /** The most memory that the reader held between two pieces. */
  readonly maxBuffered: number;
}

export interface ReadingOptions {
  readonly limits?: Partial<MessageLimits>;
  /** Sizes of the pieces, used in turn, over and over; default: all at once. */
  readonly cuts?: readonly number[];
  /** Whether the connection ends after the last byte; default true. */
  readonly end?: boolean;
  readonly plan?: BodyPlan;
}

function startOf(head: RequestHead | ResponseHead): string {
  const line = "method" in head ? [head.method, head.target] : [head.status, head.reason];
  if (head.close) line.push("close");
  if ("method" in head && head.expectContinue) line.push("expect");
  return line.join(" ");
}

function record<Head extends RequestHead | ResponseHead>(
  reader: MessageReader<Head>,
  bytes: Uint8Array,
  options: ReadingOptions,
): Reading {
  const { cuts = [bytes.length], end = true, plan = "keep" } = options;
  const messages: RecordedMessage[] = [];
  let heads = 0;
  const sink = {
    onHead(): BodyPlan {
      heads += 1;
      return plan;
    },
    onMessage(head: Head, body: Uint8Array): void {
      if (heads !== messages.length + 1) throw new Error("onMessage without its onHead");
      messages.push({
        start: startOf(head),
        headers: Object.fromEntries(head.headers),
        body: Buffer.from(body).toString("latin1"),
      });
    },
  };
  let maxBuffered = 0;
  let phase = "idle";
  try {
    for (let at = 0, piece = 0; at < bytes.length; piece += 1) {
      const size = Math.max(1, cuts[piece % cuts.length] ?? bytes.length);
      // A copy with nothing around it: a reader that looks outside its piece is found out.
      reader.push(Uint8Array.from(bytes.subarray(at, at + size)), sink);
      maxBuffered = Math.max(maxBuffered, reader.buffered);
      at += size;
    }
    phase = reader.phase;
    if (end) reader.end(sink);
  } catch (thrown) {
    maxBuffered = Math.max(maxBuffered, reader.buffered);
    const typed = isAgentError(thrown) && thrown.code.startsWith("ERR_WIRE_");
    return {
      messages,
      error: typed ? `${thrown.code} ${thrown.message}` : String(thrown),
      bug: typed ? undefined : thrown,
      phase: "dead",
      maxBuffered,
    };
  }
  return { messages, error: undefined, bug: undefined, phase, maxBuffered };
}

const octets = (input: string | Uint8Array): Uint8Array =>
  typeof input === "string" ? Buffer.from(input, "latin1") : input;

/** @param input Bytes, or their latin1. */
export function readRequests(input: string | Uint8Array, options: ReadingOptions = {}): Reading {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  return record(requestReader(limits), octets(input), options);
}

/** @param input Bytes, or their latin1. */
export function readReplies(input: string | Uint8Array, options: ReadingOptions = {}): Reading {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  return record(responseReader(limits), octets(input), options);
}

/** Ways to cut a stream that must all read the same: at once, byte by byte, in odd and changing sizes. */
export const CUTS: readonly { readonly name: string; readonly cuts: readonly number[] }[] = [
  { name: "at once", cuts: [1 << 30] },
  { name: "byte by byte", cuts: [1] },
  { name: "in twos", cuts: [2] },
  { name: "in threes", cuts: [3] },
  { name: "in sevens", cuts: [7] },
  { name: "in changing sizes", cuts: [1, 20, 3, 64, 2, 5, 128] },
];

export interface GoodCase {
  readonly why: string;
  readonly bytes: string;
  readonly messages: readonly RecordedMessage[];
}

export interface BadCase {
  readonly why: string;
  readonly bytes: string;
  /** Matches `CODE message`. */
  readonly error: RegExp;
}

export const message = (
  start: string,
  headers: Record<string, string>,
  body: string,
): RecordedMessage => ({ start, headers, body });

/** A request with these header lines. */
export const head = (lines: string): string => `POST / HTTP/1.1\r\n${lines}\r\n\r\n`;

/** A request with a chunked body. */
export const chunked = (rest: string): string => head("Transfer-Encoding: chunked") + rest;

/** One test per row: cut in every way, it reads as it should. */
export function testGoodRequests(cases: readonly GoodCase[]): void {
  for (const { why, bytes, messages } of cases) {
    test(`reads: ${why}`, () => {
      for (const { name, cuts } of CUTS) {
        const { maxBuffered: _, ...reading } = readRequests(bytes, { cuts });
        assert.deepEqual(
          reading,
          { messages, error: undefined, bug: undefined, phase: "idle" },
          name,
        );
      }
    });
  }
}

/** One test per row: cut in every way, the good request before it is read, then the same error comes. */
export function testBadRequests(cases: readonly BadCase[]): void {
  for (const { why, bytes, error } of cases) {
    test(`refuses: ${why}`, () => {
      const good = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok";
      const { maxBuffered: _, ...whole } = readRequests(good + bytes);
      assert.match(whole.error ?? "", error);
      assert.match(whole.error ?? "", /^ERR_WIRE_MESSAGE /);
      assert.equal(whole.messages[0]?.body, "ok", "the good one before it was read");
      assert.equal(whole.messages.length, 1, "and nothing after it");
      for (const { name, cuts } of CUTS) {
        const { maxBuffered: _held, ...cut } = readRequests(good + bytes, { cuts });
        assert.deepEqual(cut, whole, name);
      }
    });
  }
}

/**
 * Whatever comes, the wire answers with typed errors: never another exception, never more memory than
 * its limits, never another result because the stream was cut elsewhere.
 *
 * Each run draws its own seed and prints it; `MUCP_FUZZ_SEED=n` plays one again, and
 * `MUCP_FUZZ_RUNS=n` makes it longer.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { isAgentError } from "#src/base/errors.ts";
import type { RequestHead, ResponseHead } from "#src/wire/mucp/message.ts";
import { formatReply, formatRequest } from "#src/wire/mucp/message-writer.ts";
import { readReply } from "#src/wire/mucp/reply.ts";
import { readRequest } from "#src/wire/mucp/request.ts";
import { helloRequest, helloResponse } from "../conformance/mucp-greeter.ts";
import { recordings } from "../conformance/mucp-vectors.ts";
import { type Reading, readReplies, readRequests } from "../unit/wire/mucp/recorded-reading.ts";
import { mutate, seededDraw } from "./mucp-mutator.ts";

const { MUCP_FUZZ_SEED, MUCP_FUZZ_RUNS } = process.env;
const SEED = Number(MUCP_FUZZ_SEED ?? randomInt(2 ** 31));
const RUNS = Number(MUCP_FUZZ_RUNS ?? 4000);
console.log(`MUCP_FUZZ_SEED=${SEED} MUCP_FUZZ_RUNS=${RUNS}`);

/** Small, so that mutated input reaches them. */
const LIMITS = { maxHeaderBytes: 440, maxHeaders: 13, maxBodyBytes: 120 };
/** A head of the limit, or a body of the limit and a line of its chunks. */
const MAX_BUFFERED = Math.max(LIMITS.maxHeaderBytes, LIMITS.maxBodyBytes + 1024);

type Read = typeof readRequests;

/** Reads `bytes` at once and in pieces; asserts that nothing but the typed errors comes of it. */
function readEveryWay(read: Read, bytes: Uint8Array, cuts: readonly number[]): Reading {
  const whole = read(bytes, { limits: LIMITS });
  assert.equal(whole.bug, undefined, "an error that is not the wire's");
  for (const sizes of [cuts, [1]]) {
    const { maxBuffered, ...cut } = read(bytes, { limits: LIMITS, cuts: sizes });
    const { maxBuffered: _, ...uncut } = whole;
    assert.deepEqual(cut, uncut, `cut in ${sizes.join(", ")}`);
    assert.ok(maxBuffered <= MAX_BUFFERED, `${maxBuffered} bytes held`);
  }
  const discarded = read(bytes, { limits: LIMITS, cuts, plan: "discard" });
  assert.equal(discarded.error, whole.error, "a discarded body is read by the same rules");
  return whole;
}

/** Runs what follows the reader; only errors of the wire may come of it. */
function decodeAll(kind: "request" | "reply", { messages }: Reading): number {
  let decoded = 0;
  for (const { start, headers, body } of messages) {
    const bytes = Buffer.from(body, "latin1");
    const map = new Map(Object.entries(headers));
    try {
      if (kind === "request") {
        const head: RequestHead = {
          method: "POST",
          target: "/",
          headers: map,
          close: false,
          expectContinue: false,
        };
        const { codec } = readRequest(head);
        codec?.openRequest(bytes)?.envelope;
        codec?.readRequest(bytes, helloRequest);
      } else {
        const status = Number.parseInt(start, 10);
        const head: ResponseHead = { status, reason: "", headers: map, close: false };
        readReply(head, bytes);
        const codec = readRequest({ ...head, method: "", target: "", expectContinue: false }).codec;
        codec?.readReply(bytes, helloResponse);
      }
      decoded += 1;
    } catch (thrown) {
      assert.ok(isAgentError(thrown) && thrown.code.startsWith("ERR_WIRE_"), String(thrown));
    }
  }
  return decoded;
}

suite("recorded messages, mutated", () => {
  const vectors = recordings("http");
  const rows = [
    { kind: "request", read: readRequests, seeds: vectors.map(({ request }) => request) },
    { kind: "reply", read: readReplies, seeds: vectors.map(({ response }) => response) },
  ] as const;
  for (const { kind, read, seeds } of rows) {
    test(`${kind}: ${RUNS} inputs`, () => {
      const draw = seededDraw(SEED);
      const seen = { good: 0, decoded: 0, message: 0, tooLarge: 0 };
      for (let run = 0; run < RUNS; run += 1) {
        const bytes = mutate(seeds, draw);
        const cuts = Array.from({ length: 5 }, () => 1 + Math.floor(draw() * 90));
        try {
          const reading = readEveryWay(read, bytes, cuts);
          seen.decoded += decodeAll(kind, reading);
          if (reading.error === undefined) seen.good += 1;
          else if (reading.error.startsWith("ERR_WIRE_TOO_LARGE")) seen.tooLarge += 1;
          else seen.message += 1;
        } catch (thrown) {
          console.error(
            `input ${run} of seed ${SEED}: ${JSON.stringify(bytes.toString("latin1"))}`,
          );
          throw thrown;
        }
      }
      console.log(`${kind}: ${JSON.stringify(seen)}`);
      for (const [what, count] of Object.entries(seen)) {
        assert.ok(count > RUNS / 200, `only ${count} were ${what}: the mutator has lost its edge`);
      }
    });
  }
});

const parameters = { seed: SEED, numRuns: Math.ceil(RUNS / 10) };
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });

suite("generated input", () => {
  for (const [kind, read] of [
    ["requests", readRequests],
    ["replies", readReplies],
  ] as const) {
    test(`${kind}: any octets`, () =>
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), sizes, (bytes, cuts) => {
          readEveryWay(read, bytes, cuts);
        }),
        parameters,
      ));

    test(`${kind}: a head of any lines, any of the pieces that frame it`, () => {
      const octets = fc
        .string({ unit: "binary", maxLength: 12 })
        .map((text) => Buffer.from(text).toString("latin1"));
      const name = fc.oneof(
        fc.constantFrom("Content-Length", "Transfer-Encoding", "Connection", "Host", "X"),
        octets,
      );
      const value = fc.oneof(fc.constantFrom("5", "0", "chunked", "close", "005", "5, 5"), octets);
      const colon = fc.constantFrom(": ", ":", " :", ":\t", "");
      const lineEnd = fc.constantFrom("\r\n", "\r\n", "\r\n", "\n", "\r");
      const line = fc.tuple(name, colon, value, lineEnd).map((parts) => parts.join(""));
      const first = read === readRequests ? "POST / HTTP/1.1\r\n" : "HTTP/1.1 200 OK\r\n";
      const start = fc.oneof({ weight: 9, arbitrary: fc.constant(first) }, octets);
      const body = fc.oneof(fc.constantFrom("hello", "5\r\nhello\r\n0\r\n\r\n"), octets);
      const message = fc
        .tuple(start, fc.array(line, { maxLength: 5 }), body)
        .map(([startLine, lines, rest]) => `${startLine}${lines.join("")}\r\n${rest}`);
      fc.assert(
        fc.property(fc.array(message, { maxLength: 3 }), sizes, (messages, cuts) => {
          readEveryWay(read, Buffer.from(messages.join(""), "latin1"), cuts);
        }),
        parameters,
      );
    });
  }

  test("what is written is read back, whatever names, values and bodies are", () => {
    const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/);
    const framing = /^(?:host|content-length|transfer-encoding|expect|connection)$/i;
    const headers = fc.array(
      fc.tuple(
        token.filter((name) => !framing.test(name)),
        fc.string({ unit: "binary", maxLength: 60 }),
      ),
      { maxLength: 10 },
    );
    const body = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(headers, body, sizes, (pairs, octets, cuts) => {
        // A map: a header may be called __proto__.
        const expected = new Map<string, string>();
        for (const [name, value] of pairs) {
          const trimmed = safe(value).replace(/^[ \t]+|[ \t]+$/g, "");
          if (!expected.has(name.toLowerCase())) expected.set(name.toLowerCase(), trimmed);
        }
        for (const [read, bytes] of [
          [readRequests, formatRequest({ host: "h" }, pairs, octets)],
          [readReplies, formatReply(pairs, octets)],
        ] as const) {
          const { messages, error } = read(bytes, { cuts });
          assert.equal(error, undefined);
          assert.equal(messages.length, 1);
          const got = new Map(Object.entries(messages[0]?.headers ?? {}));
          assert.equal(got.get("content-length"), String(octets.length));
          got.delete("content-length");
          got.delete("host");
          assert.deepEqual(got, expected);
          assert.equal(messages[0]?.body, Buffer.from(octets).toString("latin1"));
        }
      }),
      parameters,
    );
  });
});

/** What the writer promises of a value: control characters as spaces, well-formed. */
function safe(value: string): string {
  return Array.from(value.toWellFormed(), (character) => {
    const unit = character.charCodeAt(0);
    return (unit < 0x20 && unit !== 9) || unit === 0x7f ? " " : character;
  }).join("");
}

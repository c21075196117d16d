import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import type { BodyPlan, RequestHead } from "#src/wire/mucp/message.ts";
import { requestReader, responseReader } from "#src/wire/mucp/message-reader.ts";
import {
  type BadCase,
  CUTS,
  chunked,
  type GoodCase,
  head,
  message,
  readRequests,
  testBadRequests,
  testGoodRequests,
} from "./recorded-reading.ts";

const GOOD_REQUESTS: readonly GoodCase[] = [
  {
    why: "no header at all is a request without a body",
    bytes: "POST / HTTP/1.1\r\n\r\n",
    messages: [message("POST /", {}, "")],
  },
  {
    why: "names are lower-cased, white space around values is taken off, inside it stays",
    bytes: "POST / HTTP/1.1\r\nMICRO-Id: \t 7\t \r\nx-Odd_Name~!:a b\tc\r\nEmpty:\r\n\r\n",
    messages: [message("POST /", { "micro-id": "7", "x-odd_name~!": "a b\tc", empty: "" }, "")],
  },
  {
    why: "any method and any target: neither means anything",
    bytes: "GET /some/path?x=%20&y=1 HTTP/1.1\r\nHost: a\r\n\r\nM-SEARCH * HTTP/1.1\r\n\r\n",
    messages: [
      message("GET /some/path?x=%20&y=1", { host: "a" }, ""),
      message("M-SEARCH *", {}, ""),
    ],
  },
  {
    why: "bodies of a given length, back to back; white space and line ends in them are theirs",
    bytes:
      "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi",
    messages: [
      message("POST /", { "content-length": "4" }, "\r\n\r\n"),
      message("POST /", { "content-length": "2" }, "hi"),
    ],
  },
  {
    why: "of a repeated header the first value counts, as in go-micro",
    bytes: "POST / HTTP/1.1\r\nMicro-Id: 1\r\nmicro-id: 2\r\n\r\n",
    messages: [message("POST /", { "micro-id": "1" }, "")],
  },
  {
    why: "Content-Length may be repeated if it says the same",
    bytes: "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    messages: [message("POST /", { "content-length": "1" }, "x")],
  },
  {
    why: "leading zeros are digits",
    bytes: "POST / HTTP/1.1\r\nContent-Length: 0000000000000000000000003\r\n\r\nabc",
    messages: [message("POST /", { "content-length": "0000000000000000000000003" }, "abc")],
  },
  {
    why: "go-micro's end of stream: chunked, and empty",
    bytes: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nMicro-Error: EOS\r\n\r\n0\r\n\r\n",
    messages: [message("POST /", { "transfer-encoding": "chunked", "micro-error": "EOS" }, "")],
  },
  {
    why: "chunks, hexadecimal sizes in any case, leading zeros, extensions, trailers that are dropped",
    bytes:
      "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n" +
      '3;a="b;c"\r\nabc\r\n00A ; x\r\n0123456789\r\n0\r\nMicro-Id: 9\r\nX: y\r\n\r\nPOST / HTTP/1.1\r\n\r\n',
    messages: [
      message("POST /", { "transfer-encoding": "Chunked" }, "abc0123456789"),
      message("POST /", {}, ""),
    ],
  },
  {
    why: "a chunk that looks like the end is not the end",
    bytes: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n",
    messages: [message("POST /", { "transfer-encoding": "chunked" }, "0\r\n\r\n")],
  },
  {
    why: "UTF-8 in a value, as go-micro writes it raw",
    bytes: "POST / HTTP/1.1\r\nX-Name:  gr\xc3\xbc\xc3\x9fe \xe2\x9c\x93 \r\nY: z\r\n\r\n",
    messages: [message("POST /", { "x-name": "grüße ✓", y: "z" }, "")],
  },
  {
    why: "a value that begins with a byte order mark keeps it",
    bytes: "POST / HTTP/1.1\r\nX: \xef\xbb\xbfa\r\n\r\n",
    messages: [message("POST /", { x: "\ufeffa" }, "")],
  },
  {
    why: "up to four empty lines before a start line, as old clients send them",
    bytes: "\r\n\r\nPOST / HTTP/1.1\r\n\r\n\r\n\r\n\r\n\r\nPOST / HTTP/1.1\r\n\r\n",
    messages: [message("POST /", {}, ""), message("POST /", {}, "")],
  },
  {
    why: "Expect: 100-continue is told, in any case",
    bytes: "POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
    messages: [message("POST / expect", { expect: "100-Continue", "content-length": "1" }, "x")],
  },
  {
    why: "Connection: close in any case, among others; nothing after it is read",
    bytes:
      "POST / HTTP/1.1\r\nConnection: keep-alive, Close\r\n\r\nPOST / HTTP/1.1\r\n\r\n\x16\x03garbage",
    messages: [message("POST / close", { connection: "keep-alive, Close" }, "")],
  },
  {
    why: "close counts in a repeated Connection header too",
    bytes: "POST / HTTP/1.1\r\nConnection: x\r\nConnection: close\r\n\r\n",
    messages: [message("POST / close", { connection: "x" }, "")],
  },
  {
    why: "and is not taken back by another",
    bytes: "POST / HTTP/1.1\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
    messages: [message("POST / close", { connection: "close" }, "")],
  },
  {
    why: "a word that only contains close is another word",
    bytes: "POST / HTTP/1.1\r\nConnection: closed\r\n\r\n",
    messages: [message("POST /", { connection: "closed" }, "")],
  },
  {
    why: "HTTP/1.0 is read, closes, and does not wait for 100",
    bytes: "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    messages: [message("POST / close", { expect: "100-continue", "content-length": "1" }, "x")],
  },
  {
    why: "a header called __proto__ is only a header",
    bytes: "POST / HTTP/1.1\r\n__proto__: a\r\n\r\n",
    messages: [message("POST /", Object.fromEntries([["__proto__", "a"]]), "")],
  },
];
const CUT_SHORT: readonly BadCase[] = [
  {
    why: "LF CR LF ends no head",
    bytes: "POST / HTTP/1.1\r\nA: b\n\r\n",
    error: /ended in the head of a request/,
  },
  {
    why: "in a start line",
    bytes: "POST / HT",
    error: /ended in the head of a request, after 9 bytes/,
  },
  {
    why: "in a head",
    bytes: "POST / HTTP/1.1\r\nA: b\r\n",
    error: /ended in the head of a request/,
  },
  {
    why: "in a body",
    bytes: `${head("Content-Length: 3")}ab`,
    error: /ended in the body of a request/,
  },
  {
    why: "before a body",
    bytes: head("Content-Length: 3"),
    error: /ended in the body of a request/,
  },
  { why: "in a chunk", bytes: chunked("3\r\nab"), error: /ended in the body of a request/ },
  {
    why: "before the last chunk",
    bytes: chunked("3\r\nabc\r\n"),
    error: /ended in the body of a request/,
  },
  {
    why: "in the trailers",
    bytes: chunked("0\r\nA: b\r\n"),
    error: /ended in the body of a request/,
  },
];

suite("MessageReader, good requests", () => testGoodRequests(GOOD_REQUESTS));

suite("MessageReader, a connection that ends too early", () => testBadRequests(CUT_SHORT));

suite("MessageReader, what its owner sees", () => {
  const keep = (): BodyPlan => "keep";

  test("phase and received follow a message", () => {
    const reader = requestReader();
    const during: string[] = [];
    const sink = {
      onHead: (): BodyPlan => {
        during.push(`head ${reader.received}`);
        return "keep";
      },
      onMessage: (): void => {
        during.push(`message ${reader.received}`);
      },
    };
    const steps = [
      { push: "\r\n", phase: "idle", received: 0 },
      { push: "POST", phase: "head", received: 4 },
      { push: " / HTTP/1.1\r\nContent-Length: 3\r\n", phase: "head", received: 36 },
      { push: "\r\n", phase: "body", received: 38 },
      { push: "ab", phase: "body", received: 40 },
      { push: "cPO", phase: "head", received: 2 },
      { push: "ST / HTTP/1.1\r\n\r\n", phase: "idle", received: 0 },
    ];
    for (const { push, phase, received } of steps) {
      reader.push(Buffer.from(push), sink);
      assert.deepEqual(
        { phase: reader.phase, received: reader.received },
        { phase, received },
        push,
      );
    }
    assert.deepEqual(during, ["head 38", "message 41", "head 19", "message 19"]);
    assert.equal(reader.buffered, 0, "an idle reader holds nothing");
  });

  test("the head is told before the body is there", () => {
    const heads: string[] = [];
    const sink = {
      onHead: ({ headers }: RequestHead): BodyPlan => {
        heads.push(headers.get("micro-id") ?? "");
        return "keep";
      },
      onMessage: (): void => assert.fail("there is no body yet"),
    };
    requestReader().push(Buffer.from(head("Micro-Id: 5\r\nContent-Length: 3")), sink);
    assert.deepEqual(heads, ["5"]);
  });

  test("a body within one piece is a view of it", () => {
    const piece = Buffer.from(`${head("Content-Length: 3")}abc`);
    let seen: Uint8Array | undefined;
    requestReader().push(piece, {
      onHead: keep,
      onMessage: (_head, body) => {
        seen = body;
      },
    });
    assert.equal(seen?.buffer, piece.buffer);
    assert.equal(seen?.byteOffset, piece.byteOffset + piece.length - 3);
  });

  test("bytes of a later message never change an earlier body", () => {
    const bodies: Uint8Array[] = [];
    const reader = requestReader();
    const text =
      `${head("Content-Length: 3")}abc${chunked("2\r\nde\r\n1\r\nf\r\n0\r\n\r\n")}`.repeat(2);
    for (const octet of Buffer.from(text)) {
      reader.push(Uint8Array.of(octet), {
        onHead: keep,
        onMessage: (_, body) => bodies.push(body),
      });
    }
    assert.deepEqual(
      bodies.map((body) => Buffer.from(body).toString()),
      ["abc", "def", "abc", "def"],
    );
  });

  for (const { name, cuts } of CUTS) {
    test(`a discarded body is passed over and not held, ${name}`, () => {
      const text =
        head("Content-Length: 5000") +
        "x".repeat(5000) +
        chunked(`1388\r\n${"y".repeat(5000)}\r\n0\r\n\r\n`);
      const reading = readRequests(text, { cuts, plan: "discard" });
      assert.equal(reading.error, undefined);
      assert.deepEqual(
        reading.messages.map(({ body }) => body),
        ["", ""],
      );
      assert.ok(reading.maxBuffered < 256, `${reading.maxBuffered} bytes were held`);
    });
  }

  test("what the sink throws comes out, and the reader is dead", () => {
    const reader = requestReader();
    const bug = new Error("of the sink");
    const sink = {
      onHead: keep,
      onMessage: (): void => {
        throw bug;
      },
    };
    assert.throws(() => reader.push(Buffer.from("POST / HTTP/1.1\r\n\r\n"), sink), bug);
    assert.throws(() => reader.push(Buffer.from("P"), sink), bug);
    assert.throws(() => reader.end(sink), bug);
    assert.throws(() => reader.resume(sink), bug);
  });

  for (const { where, pieces } of [
    { where: "a head", pieces: ["POST / HT", "TP/9.9\r\n"] },
    { where: "a body in chunks", pieces: [chunked("1\r\nx"), "y\r\n"] },
    { where: "a chunk line", pieces: [chunked("1;abc"), "\0\r\n"] },
  ]) {
    test(`a reader that died in ${where} says the same again and holds nothing`, () => {
      const reader = requestReader();
      const sink = { onHead: keep, onMessage: (): void => undefined };
      const [first = "", second = ""] = pieces;
      reader.push(Buffer.from(first), sink);
      assert.ok(reader.buffered > 0);
      let error: unknown;
      try {
        reader.push(Buffer.from(second), sink);
      } catch (thrown) {
        error = thrown;
      }
      assert.ok(isAgentError(error, "ERR_WIRE_MESSAGE"));
      assert.equal(reader.buffered, 0);
      assert.throws(() => reader.push(Buffer.from("POST / HTTP/1.1\r\n\r\n"), sink), error);
      assert.equal(reader.buffered, 0);
    });
  }

  test("being pushed from within its sink is a bug that shows", () => {
    const reader = requestReader();
    const sink = {
      onHead: keep,
      onMessage: (): void => reader.push(Buffer.from("x"), sink),
    };
    assert.throws(() => reader.push(Buffer.from("POST / HTTP/1.1\r\n\r\n"), sink), TypeError);
  });

  test("an empty piece is nothing", () => {
    const sink = { onHead: keep, onMessage: (): void => assert.fail("nothing came") };
    const reader = responseReader();
    reader.push(new Uint8Array(0), sink);
    reader.end(sink);
    assert.equal(reader.phase, "idle");
  });
});

suite("MessageReader, held", () => {
  /** Reads three messages, holding after each one that `holdAfter` names. */
  function held(holdAfter: readonly string[]) {
    const reader = requestReader();
    const seen: string[] = [];
    const sink = {
      onHead: (): BodyPlan => "keep",
      onMessage: (_: RequestHead, body: Uint8Array): void => {
        const text = Buffer.from(body).toString();
        seen.push(text);
        if (holdAfter.includes(text)) reader.hold();
      },
    };
    return { reader, seen, sink };
  }
  const one = (body: string): string => `${head(`Content-Length: ${body.length}`)}${body}`;

  test("stops within a piece, and goes on where it stopped", () => {
    const { reader, seen, sink } = held(["a", "b"]);
    reader.push(Buffer.from(one("a") + one("b") + one("c")), sink);
    assert.deepEqual(seen, ["a"]);
    reader.resume(sink);
    assert.deepEqual(seen, ["a", "b"]);
    reader.resume(sink);
    assert.deepEqual(seen, ["a", "b", "c"]);
    assert.equal(reader.buffered, 0);
  });

  test("keeps what is pushed meanwhile, in order", () => {
    const { reader, seen, sink } = held(["a"]);
    reader.push(Buffer.from(one("a") + one("b").slice(0, 10)), sink);
    reader.push(Buffer.from(one("b").slice(10)), sink);
    reader.push(Buffer.from(one("c")), sink);
    assert.deepEqual(seen, ["a"]);
    reader.resume(sink);
    assert.deepEqual(seen, ["a", "b", "c"]);
  });

  test("an end meanwhile is told after the rest", () => {
    const { reader, seen, sink } = held(["a"]);
    reader.push(Buffer.from(one("a") + one("b").slice(0, -1)), sink);
    reader.end(sink);
    assert.throws(() => reader.resume(sink), { code: "ERR_WIRE_MESSAGE", message: /in the body/ });
    assert.deepEqual(seen, ["a"]);
  });

  test("resuming from within the sink takes the hold back", () => {
    const { reader, seen, sink } = held([]);
    const busy = {
      ...sink,
      onMessage: (got: RequestHead, body: Uint8Array): void => {
        sink.onMessage(got, body);
        reader.hold();
        reader.resume(busy);
      },
    };
    reader.push(Buffer.from(one("a") + one("b")), busy);
    assert.deepEqual(seen, ["a", "b"]);
  });
});

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CUTS, readReplies, readRequests } from "./recorded-reading.ts";

const LIMITS = { maxHeaderBytes: 256, maxHeaders: 4, maxBodyBytes: 100 };

/** A head of exactly `bytes` bytes, the empty line included. */
function headOf(bytes: number, lines = ""): string {
  const rest = `POST / HTTP/1.1\r\n${lines}A: \r\n\r\n`;
  return rest.replace("A: ", `A: ${"x".repeat(bytes - rest.length)}`);
}

const TOO_LARGE = /^ERR_WIRE_TOO_LARGE /;
const chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
const CHUNKED_HEAD = chunked.length;

const CASES: readonly { why: string; bytes: string; error: RegExp | undefined; bodies: number }[] =
  [
    { why: "a head of the limit", bytes: headOf(256), error: undefined, bodies: 1 },
    { why: "two heads of the limit", bytes: headOf(256).repeat(2), error: undefined, bodies: 2 },
    {
      why: "a head one byte above",
      bytes: headOf(257),
      error: /head of a request is larger than 256/,
      bodies: 0,
    },
    {
      why: "a head that never ends",
      bytes: headOf(5000).slice(0, -4),
      error: TOO_LARGE,
      bodies: 0,
    },
    {
      why: "a start line that never ends",
      bytes: `POST /${"x".repeat(5000)}`,
      error: TOO_LARGE,
      bodies: 0,
    },
    { why: "a method that never ends", bytes: "P".repeat(5000), error: TOO_LARGE, bodies: 0 },
    {
      why: "a start line above the limit",
      bytes: `POST /${"x".repeat(300)} HTTP/1.1\r\n\r\n`,
      error: TOO_LARGE,
      bodies: 0,
    },
    {
      why: "exactly the limit, without its end",
      bytes: headOf(260).slice(0, 256),
      error: TOO_LARGE,
      bodies: 0,
    },
    {
      why: "a bad start line in an endless head",
      bytes: `x y z\r\n${"x".repeat(5000)}`,
      error: /ERR_WIRE_MESSAGE start line/,
      bodies: 0,
    },
    {
      why: "as many lines as allowed",
      bytes: "POST / HTTP/1.1\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n",
      error: undefined,
      bodies: 1,
    },
    {
      why: "one line more",
      bytes: "POST / HTTP/1.1\r\nA:\r\nB:\r\nC:\r\nD:\r\nE:\r\n\r\n",
      error: /more than 4 header lines/,
      bodies: 0,
    },
    {
      why: "repeated lines count too",
      bytes: "POST / HTTP/1.1\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n",
      error: /more than 4 header lines/,
      bodies: 0,
    },
    {
      why: "a body of the limit",
      bytes: `POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n${"x".repeat(100)}`,
      error: undefined,
      bodies: 1,
    },
    {
      why: "a length above it, before any of it came",
      bytes: "POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n",
      error: /body is larger than 100/,
      bodies: 0,
    },
    {
      why: "a length beyond 2^53",
      bytes: "POST / HTTP/1.1\r\nContent-Length: 9007199254740993\r\n\r\n",
      error: TOO_LARGE,
      bodies: 0,
    },
    {
      why: "a length beyond all numbers",
      bytes: `POST / HTTP/1.1\r\nContent-Length: ${"9".repeat(200)}\r\n\r\n`,
      error: TOO_LARGE,
      bodies: 0,
    },
    {
      why: "chunks up to the limit",
      bytes: `${chunked}32\r\n${"x".repeat(50)}\r\n32\r\n${"x".repeat(50)}\r\n0\r\n\r\n`,
      error: undefined,
      bodies: 1,
    },
    {
      why: "a chunk above it, before any of it came",
      bytes: `${chunked}65\r\n`,
      error: /body is larger than 100/,
      bodies: 0,
    },
    {
      why: "chunks that sum up above it",
      bytes: `${chunked}64\r\n${"x".repeat(100)}\r\n1\r\n`,
      error: TOO_LARGE,
      bodies: 0,
    },
    {
      why: "the largest chunk size",
      bytes: `${chunked}ffffffffffffffff\r\n`,
      error: TOO_LARGE,
      bodies: 0,
    },
    {
      why: "a size line that never ends",
      bytes: `${chunked}1;${"x".repeat(5000)}`,
      error: /chunk line or trailers longer than 1024/,
      bodies: 0,
    },
    {
      why: "a size line above the limit",
      bytes: `${chunked}1;${"x".repeat(1021)}\r\n`,
      error: TOO_LARGE,
      bodies: 0,
    },
    {
      why: "extensions that are long together",
      bytes: `${chunked}${`1;${"x".repeat(1000)}\r\na\r\n`.repeat(17)}0\r\n\r\n`,
      error: /more framing than body/,
      bodies: 0,
    },
    {
      why: "chunks of one byte, a few",
      bytes: `${chunked}${"1\r\nx\r\n".repeat(100)}0\r\n\r\n`,
      error: undefined,
      bodies: 1,
    },
    {
      why: "trailers that fill what the head left",
      bytes: `${chunked}0\r\nA: ${"x".repeat(256 - CHUNKED_HEAD - 5)}\r\n\r\n`,
      error: undefined,
      bodies: 1,
    },
    {
      why: "trailers one byte above",
      bytes: `${chunked}0\r\nA: ${"x".repeat(256 - CHUNKED_HEAD - 2)}\r\n\r\n`,
      error: TOO_LARGE,
      bodies: 0,
    },
    {
      why: "trailers that never end",
      bytes: `${chunked}0\r\n${"A".repeat(5000)}`,
      error: TOO_LARGE,
      bodies: 0,
    },
    {
      why: "trailers that are too long together",
      bytes: `${chunked}0\r\nA: ${"x".repeat(100)}\r\nB: ${"x".repeat(100)}\r\n\r\n`,
      error: TOO_LARGE,
      bodies: 0,
    },
    {
      why: "as many trailers as the head left",
      bytes: `${chunked}0\r\nA:\r\nB:\r\nC:\r\n\r\n`,
      error: undefined,
      bodies: 1,
    },
    {
      why: "one more trailer",
      bytes: `${chunked}0\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n`,
      error: /too many lines/,
      bodies: 0,
    },
  ];

suite("MessageReader, limits of 256 bytes and 4 lines of head, 100 bytes of body", () => {
  for (const { why, bytes, error, bodies } of CASES) {
    test(why, () => {
      for (const { name, cuts } of CUTS) {
        const reading = readRequests(bytes, { limits: LIMITS, cuts });
        if (error === undefined) assert.equal(reading.error, undefined, name);
        else assert.match(reading.error ?? "no error", error, name);
        assert.equal(reading.messages.length, bodies, name);
        // A line of chunked coding and a body, or a head.
        assert.ok(reading.maxBuffered <= 1124, `${name}: ${reading.maxBuffered} bytes held`);
      }
    });
  }

  test("a reply until the end of the connection is limited too", () => {
    for (const { name, cuts } of CUTS) {
      const start = "HTTP/1.1 200 OK\r\n\r\n";
      const fits = readReplies(start + "x".repeat(100), { limits: LIMITS, cuts });
      assert.deepEqual([fits.error, fits.messages.length], [undefined, 1], name);
      const over = readReplies(start + "x".repeat(101), { limits: LIMITS, cuts });
      assert.match(over.error ?? "", TOO_LARGE, name);
    }
  });

  test("chunks of one byte are no way to make us work", () => {
    const bytes = `${chunked}${"1\r\nx\r\n".repeat(10_000)}0\r\n\r\n`;
    for (const plan of ["keep", "discard"] as const) {
      const { error } = readRequests(bytes, { plan });
      assert.match(error ?? "", /^ERR_WIRE_TOO_LARGE chunked body is more framing than body/, plan);
    }
  });

  test("chunks of 32 bytes may go on to the limit of a body", () => {
    const bytes = `${chunked}${`20\r\n${"x".repeat(32)}\r\n`.repeat(100_000)}0\r\n\r\n`;
    const { error, messages } = readRequests(bytes);
    assert.deepEqual([error, messages[0]?.body.length], [undefined, 3_200_000]);
  });

  test("a discarded body is limited as well", () => {
    const bytes = `${chunked}64\r\n${"x".repeat(100)}\r\n1\r\n`;
    assert.match(readRequests(bytes, { limits: LIMITS, plan: "discard" }).error ?? "", TOO_LARGE);
  });
});

suite("MessageReader, memory", () => {
  test("a claimed length allocates nothing: memory follows what came", () => {
    const head = "POST / HTTP/1.1\r\nContent-Length: 4194304\r\n\r\n";
    const rows = [
      { came: 1, atMost: 2048 },
      { came: 2048, atMost: 2048 },
      { came: 100_000, atMost: 200_000 },
    ];
    for (const { came, atMost } of rows) {
      const { maxBuffered } = readRequests(head + "x".repeat(came), { cuts: [500], end: false });
      assert.ok(maxBuffered > 0 && maxBuffered <= atMost, `${came} came, ${maxBuffered} held`);
    }
  });

  test("a body byte by byte is collected in the memory that it needs", () => {
    const body = "0123456789".repeat(1000);
    const bytes = `POST / HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const reading = readRequests(bytes, { cuts: [1] });
    assert.equal(reading.messages[0]?.body, body);
    assert.ok(reading.maxBuffered <= body.length, `${reading.maxBuffered}`);
  });

  test("64 KiB of head byte by byte costs linear work", () => {
    const bytes = headOf(65_536);
    const before = process.cpuUsage();
    const reading = readRequests(bytes, { cuts: [1] });
    const { user, system } = process.cpuUsage(before);
    assert.equal(reading.error, undefined);
    // Quadratic work would be 2 * 10^9 steps: seconds.
    assert.ok(user + system < 1_000_000, `${(user + system) / 1000} ms of CPU`);
  });
});

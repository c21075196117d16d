/** The wrapper around codecs of handler modules: whatever they do, one answer and one event. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import * as v from "valibot";
import { isAgentError } from "#src/base/errors.ts";
import { systemTimeBox } from "#src/host/time-box.ts";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { bytesShape } from "#src/wire/codec/bytes-shape.ts";
import type { Codec } from "#src/wire/codec/codec.ts";
import {
  type CodecFault,
  type CustomCodecParts,
  customCodec,
} from "#src/wire/codec/custom-codec.ts";
import { customLimits } from "#src/wire/codec/custom-limits.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import type { PlainValue } from "#src/wire/codec/plain-copy.ts";
import { jsonShape } from "#src/wire/codec/standard-shape.ts";

const ANY = jsonShape("Any", v.unknown());
const ENVELOPE = { endpoint: "A.B", id: "1" };
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Rig {
  readonly codec: Codec;
  readonly faults: CodecFault[];
  readonly rests: number[];
  nowMs: number;
}

/** JSON by the engine's own functions, unless `over` says otherwise. */
function rig(over: Partial<CustomCodecParts> & { limit?: object } = {}): Rig {
  const { limit = {}, ...parts } = over;
  const made = {
    faults: [] as CodecFault[],
    rests: [] as number[],
    nowMs: 0,
  };
  const codec = customCodec({
    contentType: "application/x-test",
    read: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
    write: (value) => utf8(JSON.stringify(value)),
    checkRead: undefined,
    checkWrite: undefined,
    limits: customLimits(limit, 1 << 20),
    maxText: 1 << 20,
    timeBox: (_, work) => work(),
    blamesBody: (thrown) => (thrown instanceof SyntaxError ? thrown.message : undefined),
    nowMs: () => made.nowMs,
    onFault: (fault) => made.faults.push(fault),
    onRest: (forMs) => made.rests.push(forMs),
    ...parts,
  });
  return Object.assign(made, { codec });
}

const read = ({ codec }: Rig, text = "{}"): unknown => codec.readRequest(utf8(text), ANY);
const write = ({ codec }: Rig, value: unknown = {}): Uint8Array =>
  codec.writeReply(value, ANY, ENVELOPE);

suite("a custom codec", () => {
  test("carries values of schemas, requests and replies alike, bytes as they are", () => {
    const kept: { value: PlainValue } = { value: null };
    const { codec } = rig({
      read: () => kept.value,
      write: (value) => {
        kept.value = value;
        return Uint8Array.of(1);
      },
    });
    const value = { a: [1, "x", null, true], big: 2n ** 60n, raw: Uint8Array.of(7, 8) };
    const bytes = codec.writeRequest(value, ANY, ENVELOPE);
    // Compared by what they hold: the copy inherits nothing.
    const { big, raw, a } = codec.readRequest(bytes, ANY) as typeof value;
    assert.deepEqual({ big, raw, a }, value);
    assert.equal(codec.readReply(bytes, ANY).ok, true);
    assert.deepEqual(codec.writeError("x", ENVELOPE), new Uint8Array());
    assert.equal(codec.openRequest(bytes), undefined);
  });

  test("carries messages as application/json has them; bytes may come bare", () => {
    const echo = messageShape(EchoSchema);
    const message = create(EchoSchema, { text: "hi", seq: 2n ** 60n, data: Uint8Array.of(1, 2) });
    const { codec } = rig();
    const bytes = codec.writeReply(message, echo, ENVELOPE);
    assert.equal(
      new TextDecoder().decode(bytes),
      '{"text":"hi","seq":"1152921504606846976","data":"AQI="}',
    );
    assert.deepEqual(codec.readRequest(bytes, echo), message);
    const bare = rig({ read: () => ({ data: Uint8Array.of(1, 2) }) });
    assert.deepEqual([...bare.codec.readRequest(utf8("x"), echo).data], [1, 2]);
    assert.throws(() => codec.readRequest(utf8('{"nope":1}'), echo), {
      code: "ERR_WIRE_BODY",
      message: /no such field/,
    });
    const raw = rig({ read: () => Uint8Array.of(3), write: (value) => value });
    assert.deepEqual([...raw.codec.readRequest(utf8("x"), bytesShape)], [3]);
    assert.deepEqual([...raw.codec.writeReply(Uint8Array.of(4), bytesShape, ENVELOPE)], [4]);
  });

  test("never sees an empty body, which is the zero message", () => {
    const { codec } = rig({ read: () => assert.fail("was asked") });
    const { text } = codec.readRequest(new Uint8Array(), messageShape(EchoSchema));
    assert.equal(text, "");
  });

  test("shares no memory with the connection or the next call", () => {
    const own = new Uint8Array(4);
    let given: Uint8Array = own;
    const { codec } = rig({
      read: (bytes) => {
        given = bytes;
        bytes.fill(0);
        return {};
      },
      write: () => own,
    });
    const body = Buffer.from("abcd");
    codec.readRequest(body, ANY);
    assert.equal(body.toString(), "abcd");
    assert.equal(given.buffer.byteLength, 4, "a window would show the peer's other messages");
    const sent = codec.writeReply(1, ANY, ENVELOPE);
    own.fill(9);
    assert.deepEqual([...sent], [0, 0, 0, 0]);
  });
});

suite("a bad body is the peer's fault, and no event", () => {
  const rows: readonly {
    why: string;
    over?: Parameters<typeof rig>[0];
    body: string;
    code?: string;
    message: RegExp;
  }[] = [
    {
      why: "the codec says so",
      over: {
        read: () => {
          throw new SyntaxError("no such tag\r\n\u001b[31m\u202e");
        },
      },
      body: "x",
      message: /^application\/x-test: no such tag\\r\\n\\u001b\[31m\\u202e$/,
    },
    {
      why: "with a text of a megabyte, which is cut",
      over: {
        read: () => {
          throw new SyntaxError("x".repeat(1 << 20));
        },
      },
      body: "x",
      message: /^application\/x-test: x{160}\.\.\.$/,
    },
    {
      why: "the codec's own check says so",
      over: { checkRead: (value) => (Array.isArray(value) ? "expected a map" : undefined) },
      body: "[]",
      message: /^application\/x-test: expected a map$/,
    },
    {
      why: "a check answers false",
      over: { checkRead: () => false },
      body: "1",
      message: /refused/,
    },
    {
      why: "beyond the codec's size, which stands below the agent's",
      over: { limit: { maxBodyBytes: 8 } },
      body: '"1234567"',
      code: "ERR_WIRE_TOO_LARGE",
      message: /a body of 9 bytes: application\/x-test takes 8/,
    },
    {
      why: "beyond its depth",
      over: { limit: { maxDepth: 2 } },
      body: '{"a":[[1]]}',
      message: /^application\/x-test\.a\[0\]: nested more than 2 levels deep$/,
    },
    {
      why: "beyond its number range",
      over: { limit: { maxNumber: 5 } },
      body: '{"a":6}',
      message: /^application\/x-test\.a: expected a number from .* to 5, got 6$/,
    },
  ];
  for (const { why, over, body, code = "ERR_WIRE_BODY", message } of rows) {
    test(why, () => {
      const made = rig(over);
      assert.throws(() => read(made, body), { code, message });
      assert.deepEqual(made.faults, []);
    });
  }

  test("a body of just the size that the codec takes is read", () => {
    assert.equal(read(rig({ limit: { maxBodyBytes: 9 } }), '"1234567"'), "1234567");
  });

  test("a value that its schema refuses", () => {
    const shape = jsonShape("Meter", v.object({ n: v.number() }));
    assert.throws(() => rig().codec.readRequest(utf8('{"n":"x"}'), shape), {
      code: "ERR_WIRE_BODY",
      message: /Meter\.n/,
    });
  });
});

suite("a codec that fails is answered 500 and reported, whichever way it goes wrong", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  const thrower = (thrown: unknown) => (): never => {
    throw thrown;
  };
  const hostile = {
    get message() {
      throw new Error("from a getter");
    },
  };
  const results: readonly { why: string; make: () => unknown; kind: string; reason: RegExp }[] = [
    { why: "throws", make: thrower(new TypeError("boom\n2")), kind: "threw", reason: /^boom\\n2$/ },
    { why: "throws text", make: thrower("oops"), kind: "threw", reason: /^oops \(a value/ },
    { why: "throws undefined", make: thrower(undefined), kind: "threw", reason: /^undefined/ },
    { why: "throws a symbol", make: thrower(Symbol("s")), kind: "threw", reason: /Symbol\(s\)/ },
    { why: "throws an object", make: thrower(hostile), kind: "threw", reason: /no Error/ },
    {
      why: "throws what throws when it is looked at",
      make: thrower(new Proxy({}, { getPrototypeOf: thrower(new Error("trap")) })),
      kind: "threw",
      reason: /throws when it is looked at/,
    },
    {
      why: "throws an object without a prototype",
      make: thrower(Object.create(null)),
      kind: "threw",
      reason: /no Error/,
    },
    { why: "a promise", make: () => Promise.resolve(1), kind: "garbage", reason: /a promise/ },
    {
      why: "a promise that fails: nobody hears of it",
      make: () => Promise.reject(new Error("late")),
      kind: "garbage",
      reason: /a promise/,
    },
    { why: "nothing", make: () => undefined, kind: "garbage", reason: /undefined|nothing/ },
    { why: "a function", make: () => () => 1, kind: "garbage", reason: /a function/ },
    { why: "a class", make: () => new Map(), kind: "garbage", reason: /class|an object/ },
    {
      why: "overflows the stack",
      make: function deep(): unknown {
        return [deep()];
      },
      kind: "threw",
      reason: /call stack/,
    },
  ];
  for (const { why, make, kind, reason } of results) {
    for (const direction of ["read", "write"] as const) {
      test(`${direction}: ${why}`, () => {
        const made = rig({ [direction]: make });
        assertFails(made, direction, kind, reason);
      });
    }
  }

  test("read: an endless loop of objects", () =>
    assertFails(rig({ read: () => cyclic }), "read", "garbage", /value\.self is .*inside itself/));

  test("read: a getter that throws", () => {
    const value = {
      get x() {
        throw new Error("from a getter");
      },
    };
    assertFails(rig({ read: () => value }), "read", "threw", /from a getter/);
  });

  for (const [why, value] of [
    ["text", "text"],
    ["numbers", [1, 2]],
    ["another view", new Uint16Array(2)],
    ["a proxy of bytes", new Proxy(new Uint8Array(2), {})],
  ] as const) {
    test(`write: ${why} instead of bytes`, () =>
      assertFails(rig({ write: () => value }), "write", "garbage", /not a Uint8Array/));
  }

  test("write: more bytes than it may, by one", () => {
    const sized = (size: number): Rig =>
      rig({ limit: { maxBodyBytes: 16 }, write: () => new Uint8Array(size) });
    assert.equal(write(sized(16)).byteLength, 16);
    assertFails(sized(17), "write", "beyond limits", /17 bytes written, 16 allowed/);
  });

  test("write: an answer of the handler's beyond the codec's limits", () => {
    const made = rig({ limit: { maxArrayLength: 2 } });
    assert.throws(() => write(made, { a: [1, 2, 3] }), { code: "ERR_HANDLER_CODEC" });
    assert.match(made.faults[0]?.reason ?? "", /^value\.a: more than 2 elements$/);
  });

  test("write: what its own check refuses", () =>
    assertFails(rig({ checkWrite: () => "no" }), "write", "beyond limits", /^checkWrite: no$/));

  test("a check that answers something else, or a promise", () => {
    assertFails(rig({ checkRead: () => 7 }), "read", "garbage", /a check returned 7/);
    assertFails(rig({ checkRead: () => Promise.reject(1) }), "read", "garbage", /a promise/);
  });

  test("failures are counted, and a good body is read in between", () => {
    let bad = true;
    const made = rig({
      read: () => {
        if (bad) throw new Error("x");
        return {};
      },
    });
    for (let round = 1; round <= 3; round++) {
      bad = true;
      assert.throws(() => read(made), { code: "ERR_HANDLER_CODEC" });
      assert.equal(made.faults.at(-1)?.failures, round);
      bad = false;
      read(made);
    }
  });
});

suite("a codec that hangs", () => {
  const endless = (): never => {
    for (;;);
  };

  for (const { why, over } of [
    { why: "in read", over: { read: endless } },
    { why: "in its check", over: { checkRead: endless } },
    {
      why: "in a getter of what it returned",
      over: {
        read: () => ({
          get x() {
            return endless();
          },
        }),
      },
    },
    {
      why: "in a proxy of what it returned",
      over: { read: () => new Proxy({}, { ownKeys: endless }) },
    },
    {
      why: "in what it threw",
      over: {
        read: () => {
          throw new Proxy(new SyntaxError("x"), { get: endless, getPrototypeOf: endless });
        },
        blamesBody: (thrown: unknown) => (thrown instanceof SyntaxError ? "body" : undefined),
      },
    },
  ]) {
    test(`${why} is ended`, { timeout: 20_000 }, () => {
      const made = rig({ timeBox: systemTimeBox(), limit: { maxMs: 20 }, ...over });
      assert.throws(() => read(made), { code: "ERR_HANDLER_CODEC" });
      assert.equal(made.faults.length, 1);
    });
  }

  test("three times within a minute rests for one, and is not asked meanwhile", () => {
    let asked = 0;
    let hangs = true;
    const made = rig({
      timeBox: systemTimeBox(),
      limit: { maxMs: 20 },
      read: () => {
        asked++;
        if (hangs) endless();
        return { n: 1 };
      },
    });
    const hang = (): void => assert.throws(() => read(made), { code: "ERR_HANDLER_CODEC" });
    hang();
    made.nowMs = 59_000;
    hang();
    made.nowMs = 60_000; // the first is a minute old
    hang();
    assert.deepEqual(made.rests, []);
    made.nowMs = 60_001;
    hang();
    assert.deepEqual(made.rests, [60_000]);
    assert.equal(made.faults.at(-1)?.kind, "hung");
    assert.equal(asked, 4);
    made.nowMs = 120_000;
    for (const attempt of [read, write]) {
      assert.throws(
        () => attempt(made),
        (thrown) =>
          isAgentError(thrown, "ERR_RPC_OVERLOADED") && thrown.fields["retry_after_ms"] === 1,
      );
    }
    assert.equal(asked, 4);
    made.nowMs = 120_001;
    hangs = false;
    assert.deepEqual({ ...(read(made) as object) }, { n: 1 });
  });
});

function assertFails(made: Rig, direction: "read" | "write", kind: string, reason: RegExp): void {
  assert.throws(
    () => (direction === "read" ? read(made) : write(made)),
    (thrown) => {
      assert.ok(isAgentError(thrown, "ERR_HANDLER_CODEC"), String(thrown));
      assert.equal(
        thrown.message,
        `the codec for application/x-test failed to ${direction} the body; the agent's log says why`,
      );
      assert.equal(thrown.status, 500);
      return true;
    },
  );
  const [fault, ...others] = made.faults;
  assert.deepEqual(others, []);
  assert.equal(fault?.direction, direction);
  assert.equal(fault?.kind, kind);
  assert.match(fault?.reason ?? "", reason);
  assert.match(fault?.reason ?? "", /^[\x20-\x7e]{1,170}$/);
}

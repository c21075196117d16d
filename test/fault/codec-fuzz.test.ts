/**
 * Bodies that nobody should send. Whatever arrives, a codec answers with a value or with an
 * `AgentError`, and a value that it read it can write and read again. How the cost grows with the
 * size of hostile bodies is in `test/bench/wire-codec.ts`; here they only have to be answered.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createRegistry, type Message } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import * as v from "valibot";
import { isAgentError } from "#src/base/errors.ts";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { bytesShape } from "#src/wire/codec/bytes-shape.ts";
import type { Codec } from "#src/wire/codec/codec.ts";
import { CODECS } from "#src/wire/codec/codecs.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import type { Shape } from "#src/wire/codec/shape.ts";
import { jsonShape } from "#src/wire/codec/standard-shape.ts";
import { EverythingSchema, TreeSchema, WellKnownSchema } from "../fakes/gen/kinds_pb.ts";
import { messageArbitrary } from "../fakes/message-arbitrary.ts";

const registry = createRegistry(StringValueSchema);
const ENVELOPE = { endpoint: "A.B", id: "3" };
const DESCS = [EchoSchema, EverythingSchema, WellKnownSchema];
const MIB4 = 4 * 1024 * 1024;

/** Runs `read`; anything thrown must be an error that a peer can be told. */
function attempt<T>(read: () => T): { readonly value: T } | undefined {
  try {
    return { value: read() };
  } catch (error) {
    assert.ok(isAgentError(error, "ERR_WIRE_BODY"), `not an answer: ${String(error)}`);
    assert.ok(error.message.length < 1000, "a bounded answer");
    assert.match(error.message, /^[\x20-\x7e]+$/, "a printable answer");
    return undefined;
  }
}

interface Tally {
  read: number;
  refused: number;
}

function tryBody<T>(codec: Codec, shape: Shape<T>, body: Uint8Array, tally: Tally): void {
  attempt(() => codec.openRequest(body)?.envelope);
  attempt(() => codec.readReply(body, shape));
  const outcome = attempt(() => codec.readRequest(body, shape));
  if (outcome === undefined) {
    tally.refused++;
    return;
  }
  tally.read++;
  const again = codec.writeRequest(outcome.value, shape, ENVELOPE);
  assert.deepEqual(codec.readRequest(again, shape), outcome.value);
}

interface Mutation {
  readonly at: number;
  readonly kind: "flip" | "set" | "cut" | "drop" | "double" | "insert";
  readonly byte: number;
}

const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({
    at: fc.nat(),
    kind: fc.constantFrom<Mutation["kind"]>("flip", "set", "cut", "drop", "double", "insert"),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('"\\{}[],:0e-\u0000'))),
  }),
  { minLength: 1, maxLength: 4 },
);

function mutate(body: Uint8Array, changes: readonly Mutation[]): Uint8Array {
  let bytes = Buffer.from(body);
  for (const { at: position, kind, byte } of changes) {
    const at = bytes.length === 0 ? 0 : position % bytes.length;
    switch (kind) {
      case "flip":
        if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << (byte & 7));
        break;
      case "set":
        if (bytes.length > 0) bytes[at] = byte;
        break;
      case "cut":
        bytes = bytes.subarray(0, at);
        break;
      case "drop":
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + (byte & 3))]);
        break;
      case "double":
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at >> 1)]);
        break;
      case "insert":
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(byte), bytes.subarray(at)]);
        break;
    }
  }
  return new Uint8Array(bytes);
}

suite("valid bodies with a few bytes changed", () => {
  for (const codec of [CODECS.json, CODECS.protobuf, CODECS["json-rpc"], CODECS["proto-rpc"]]) {
    for (const desc of DESCS) {
      test(`${codec.name} ${desc.typeName}`, () => {
        const shape = messageShape(desc, { registry }) as Shape<Message>;
        const tally: Tally = { read: 0, refused: 0 };
        fc.assert(
          fc.property(messageArbitrary(desc), mutations, (message, changes) => {
            const body = codec.writeRequest(message, shape, ENVELOPE);
            tryBody(codec, shape, mutate(body, changes), tally);
          }),
          { numRuns: 400 },
        );
        assert.ok(tally.read > 0 && tally.refused > 0, JSON.stringify(tally));
      });
    }
  }
});

suite("bytes at random", () => {
  for (const codec of Object.values(CODECS)) {
    test(codec.name, () => {
      const shape = messageShape(EchoSchema, { bytesField: "data" });
      const tally: Tally = { read: 0, refused: 0 };
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 60 }), (body) => tryBody(codec, shape, body, tally)),
        { numRuns: 1000 },
      );
      assert.ok(tally.read > 0, JSON.stringify(tally));
    });
  }
});

suite("JSON at random", () => {
  const names = ["text", "seq", "data", "tree", "left", "named", "branches", "scalars", "color"];
  const { json } = fc.letrec<{ json: unknown }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom(null, true, 0, -1.5, 1e21, "", "7", "1e5", "AA==", "COLOR_RED", "NaN"),
      fc.array(tie("json"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie("json"), { maxKeys: 4 }),
    ),
  }));
  const schema = jsonShape(
    "any.Thing",
    v.looseObject({ seq: v.optional(v.union([v.number(), v.string(), v.bigint()])) }),
  );
  const shapes: readonly Shape<unknown>[] = [
    ...DESCS.map((desc) => messageShape(desc, { registry }) as Shape<unknown>),
    bytesShape as Shape<unknown>,
    schema as Shape<unknown>,
  ];
  for (const shape of shapes) {
    test(shape.typeName, () =>
      fc.assert(
        fc.property(json, (value) => {
          const text = JSON.stringify(value);
          const rpc = `{"params":[${text}],"id":1,"method":"A.B","result":${text}}`;
          attempt(() => CODECS.json.readRequest(new TextEncoder().encode(text), shape));
          attempt(() => CODECS["json-rpc"].readRequest(new TextEncoder().encode(rpc), shape));
          attempt(() => CODECS["json-rpc"].readReply(new TextEncoder().encode(rpc), shape));
        }),
        { numRuns: 500 },
      ),
    );
  }
});

suite("4 MiB of", () => {
  const fill = (text: string): string => text.repeat(Math.ceil(MIB4 / text.length));
  const numbered = (format: (n: number) => string): string => {
    const parts: string[] = [];
    for (let n = 0, size = 0; size < MIB4; n++) {
      const part = format(n);
      parts.push(part);
      size += part.length;
    }
    return parts.join("");
  };
  const rows: readonly { what: string; json: string; answer: RegExp | undefined }[] = [
    { what: "digits", json: fill("7"), answer: /a number has more than 1100 characters/ },
    {
      what: "digits in a string where a number belongs",
      json: `{"seq":"${fill("7")}"}`,
      answer: /expected a 64-bit integer/,
    },
    {
      what: "numbers of 1,000 digits",
      json: `[${fill(`${"7".repeat(1000)},`)}1]`,
      answer: /expected an object/,
    },
    {
      what: "numbers of 1,000 zeros with an exponent",
      json: `[${fill(`1${"0".repeat(1000)}e1,`)}1]`,
      answer: /beyond the range of double/,
    },
    { what: "opening brackets", json: fill("["), answer: /nested more than 64/ },
    { what: "opening braces", json: fill('{"a":'), answer: /nested more than 64/ },
    {
      what: "empty arrays",
      json: `[${fill("[],")}[]]`,
      answer: /more than 25000 members and elements/,
    },
    {
      what: "empty objects",
      json: `[${fill("{},")}{}]`,
      answer: /more than 25000 members and elements/,
    },
    { what: "zeros", json: `[${fill("0,")}0]`, answer: /more than 25000 members and elements/ },
    { what: "the same name", json: `{${fill('"a":1,')}"a":1}`, answer: /member "a" stands twice/ },
    {
      what: "different names",
      json: `{${numbered((n) => `"k${n}":1,`)}"a":1}`,
      answer: /more than 25000 members/,
    },
    {
      what: "long different names",
      json: `{${numbered((n) => `"${"k".repeat(200)}${n}":1,`)}"a":1}`,
      answer: /has no such field/,
    },
    {
      what: "names that are numbers",
      json: `{${numbered((n) => `"${n * 7919}":1,`)}"a":1}`,
      answer: /more than 25000 members/,
    },
    { what: "backslashes", json: `{"text":"${fill("\\\\")}"}`, answer: undefined },
    { what: "backslashes without an end", json: `"${fill("\\\\")}\\"`, answer: /no closing quote/ },
    { what: "escaped quotes", json: `{"text":"${fill('\\"')}"}`, answer: undefined },
    { what: "escaped letters", json: `{"text":"${fill("\\u0041")}"}`, answer: undefined },
    {
      what: "half surrogate pairs",
      json: `{"text":"${fill("\\ud800")}"}`,
      answer: /half of a surrogate pair/,
    },
    { what: "white space", json: `${fill(" \n")}{}`, answer: undefined },
    { what: "text", json: `{"text":"${fill("lorem ipsum ")}"}`, answer: undefined },
    { what: "base64", json: `{"data":"${fill("AAEC")}"}`, answer: undefined },
    { what: "nearly base64", json: `{"data":"${fill("AAEC")}!"}`, answer: /expected base64/ },
    { what: "an unknown name", json: `{"${fill("seq")}":1}`, answer: /has no such field/ },
  ];
  const shape = messageShape(EchoSchema);
  for (const { what, json, answer } of rows) {
    test(what, () => {
      const outcome = attempt(() => CODECS.json.readRequest(new TextEncoder().encode(json), shape));
      assert.equal(outcome === undefined, answer !== undefined);
      if (answer === undefined) return;
      assert.throws(() => CODECS.json.readRequest(new TextEncoder().encode(json), shape), answer);
    });
  }

  const trees = messageShape(TreeSchema);
  const binary: readonly { what: string; bytes: Buffer; answer: RegExp }[] = [
    {
      what: "empty nested messages",
      bytes: Buffer.alloc(MIB4, Buffer.of(0x1a, 0)),
      answer: /kinds\.Tree\.branches: more than 25000 repeated values/,
    },
    {
      what: "empty map entries",
      bytes: Buffer.alloc(MIB4, Buffer.of(0x22, 0)),
      answer: /kinds\.Tree\.named: more than 25000 repeated values/,
    },
    { what: "groups", bytes: Buffer.alloc(MIB4, 0x2b), answer: /nested more than 64/ },
    {
      what: "0xff",
      bytes: Buffer.alloc(MIB4, 0xff),
      answer: /a field number is longer than 32 bits/,
    },
  ];
  for (const { what, bytes, answer } of binary) {
    test(`${what} in protobuf`, () =>
      assert.throws(() => CODECS.protobuf.readRequest(bytes, trees), {
        code: "ERR_WIRE_BODY",
        message: answer,
      }));
  }

  test("unknown fields in protobuf, which are dropped", () => {
    const tree = CODECS.protobuf.readRequest(Buffer.alloc(MIB4, Buffer.of(0x28, 1)), trees);
    assert.equal(tree.$unknown, undefined);
  });
});

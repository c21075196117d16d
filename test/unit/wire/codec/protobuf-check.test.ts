import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { EchoSchema } from "#src/services/gen/agent_pb.ts";
import { MAX_DEPTH, MAX_PACKED_NUMBERS, MAX_VALUES } from "#src/wire/codec/limits.ts";
import { messageShape } from "#src/wire/codec/message-shape.ts";
import {
  ListsSchema,
  MapsSchema,
  ScalarsSchema,
  TreeSchema,
  WellKnownSchema,
} from "../../../fakes/gen/kinds_pb.ts";
import { RecordSchema } from "../../../fakes/gen/legacy_pb.ts";

const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

suite("protobuf is refused, naming the field and the reason", () => {
  const rows: readonly { desc: DescMessage; bytes: string; message: string; why: string }[] = [
    {
      desc: EchoSchema,
      bytes: "0a 05 61",
      message: "microedge.Echo.text: cut off: 5 bytes announced, 1 left",
      why: "truncated string",
    },
    {
      desc: EchoSchema,
      bytes: "0a",
      message: "microedge.Echo.text: cut off within a length",
      why: "truncated length",
    },
    {
      desc: EchoSchema,
      bytes: "10 80",
      message: "microedge.Echo.seq: cut off within a number",
      why: "truncated number",
    },
    {
      desc: EchoSchema,
      bytes: "10",
      message: "microedge.Echo.seq: cut off within a number",
      why: "no number",
    },
    {
      desc: EchoSchema,
      bytes: "80",
      message: "microedge.Echo: cut off within a field number",
      why: "truncated tag",
    },
    {
      desc: EchoSchema,
      bytes: "10 ffffffffffffffffffff 01",
      message: "microedge.Echo.seq: a number is longer than 64 bits",
      why: "eleven bytes",
    },
    {
      desc: EchoSchema,
      bytes: "0a ffffffffff 01",
      message: "microedge.Echo.text: a length is longer than 32 bits",
      why: "35 bits and more",
    },
    {
      desc: EchoSchema,
      bytes: "0a ffffffff 1f",
      message: "microedge.Echo.text: a length is longer than 32 bits",
      why: "33 bits",
    },
    {
      desc: EchoSchema,
      bytes: "00 01",
      message: "microedge.Echo: field number 0",
      why: "there is no field 0",
    },
    {
      desc: EchoSchema,
      bytes: "0f",
      message: "microedge.Echo: unknown wire type 7",
      why: "there is no wire type 7",
    },
    {
      desc: EchoSchema,
      bytes: "08 05",
      message: "microedge.Echo.text: expected wire type length-delimited, got varint",
      why: "the library would read 5 as a length",
    },
    {
      desc: EchoSchema,
      bytes: "12 01 05",
      message: "microedge.Echo.seq: expected wire type varint, got length-delimited",
      why: "seq is no list",
    },
    {
      desc: EchoSchema,
      bytes: "0c",
      message: "microedge.Echo: end of group 1, which was not begun",
      why: "stray end",
    },
    {
      desc: EchoSchema,
      bytes: "23 08 01",
      message: "microedge.Echo: the body ends before group 4 does",
      why: "an unknown group without end",
    },
    {
      desc: EchoSchema,
      bytes: "23 2c",
      message: "microedge.Echo: end of group 5, which was not begun",
      why: "groups that cross",
    },
    {
      desc: EchoSchema,
      bytes: "25 00 00 00",
      message: "microedge.Echo: cut off: 4 bytes expected, 3 left",
      why: "unknown field, truncated",
    },
    {
      desc: EchoSchema,
      bytes: "0a 02 c0 80",
      message: "microedge.Echo.text: the string is not valid UTF-8",
      why: "an overlong NUL",
    },
    {
      desc: EchoSchema,
      bytes: "0a 03 ed a0 80",
      message: "microedge.Echo.text: the string is not valid UTF-8",
      why: "half a surrogate pair",
    },
    {
      desc: TreeSchema,
      bytes: "12 03 0a 05 61 62 63 64 65",
      message: "kinds.Tree.left.name: cut off: 5 bytes announced, 1 left",
      why: "the inner length runs past its message",
    },
    {
      desc: TreeSchema,
      bytes: "1a 04 0a 02 ff fe",
      message: "kinds.Tree.branches.name: the string is not valid UTF-8",
      why: "text deep inside",
    },
    {
      desc: TreeSchema,
      bytes: "22 06 0a 01 61 12 05 0a",
      message: "kinds.Tree.named.value: cut off: 5 bytes announced, 1 left",
      why: "map entry",
    },
    {
      desc: TreeSchema,
      bytes: "22 05 0a 01 61 10 05",
      message: "kinds.Tree.named.value: expected wire type length-delimited, got varint",
      why: "map value",
    },
    {
      desc: ListsSchema,
      bytes: "1a 02 05 80",
      message: "kinds.Lists.int32_values: cut off within a number",
      why: "packed numbers cut off",
    },
    {
      desc: ListsSchema,
      bytes: "0a 07 00 00 00 00 00 00 00",
      message: "kinds.Lists.double_values: the last packed number is cut off",
      why: "packed doubles cut off",
    },
    {
      desc: ListsSchema,
      bytes: "48 01",
      message: "kinds.Lists.string_values: expected wire type length-delimited, got varint",
      why: "strings are never packed",
    },
    {
      desc: ScalarsSchema,
      bytes: "0d 00 00 00 00",
      message: "kinds.Scalars.double_value: expected wire type 64-bit, got 32-bit",
      why: "a float where a double is",
    },
    {
      desc: RecordSchema,
      bytes: "23 0a 01 61",
      message: "legacy.Record.part: the body ends before group 4 does",
      why: "a known group without end",
    },
  ];
  for (const { desc, bytes, message, why } of rows) {
    test(`${bytes}: ${why}`, () =>
      assert.throws(() => messageShape(desc).fromProtobuf(hex(bytes)), {
        code: "ERR_WIRE_BODY",
        message,
      }));
  }
});

suite("protobuf that is read", () => {
  const echo = messageShape(EchoSchema);

  test("no bytes are the zero message", () =>
    assert.deepEqual(echo.fromProtobuf(new Uint8Array()), create(EchoSchema)));

  test("unknown fields of every wire type are stepped over and not kept", () => {
    const writer = new BinaryWriter()
      .tag(9, WireType.Varint)
      .uint64(2n ** 64n - 1n)
      .tag(10, WireType.Bit64)
      .fixed64(1n)
      .tag(11, WireType.Bit32)
      .fixed32(1)
      .tag(12, WireType.LengthDelimited)
      .string("unknown")
      .tag(13, WireType.StartGroup)
      .tag(1, WireType.StartGroup)
      .tag(1, WireType.EndGroup)
      .tag(13, WireType.EndGroup)
      .tag(1, WireType.LengthDelimited)
      .string("known");
    const message = echo.fromProtobuf(writer.finish());
    assert.deepEqual(message, create(EchoSchema, { text: "known" }));
    assert.deepEqual(echo.toProtobuf(message), toBinary(EchoSchema, message));
  });

  test("the last of several values counts", () =>
    assert.equal(echo.fromProtobuf(hex("10 01 10 02")).seq, 2n));

  test("lists packed and not packed, whatever the descriptor says", () => {
    const lists = messageShape(ListsSchema);
    assert.deepEqual(lists.fromProtobuf(hex("1a 02 05 06 18 07")).int32Values, [5, 6, 7]);
    assert.deepEqual(lists.fromProtobuf(hex("68 05 6a 02 06 07")).looseValues, [5, 6, 7]);
  });

  test("groups of proto2", () => {
    const record = create(RecordSchema, {
      key: "k",
      part: { label: "l", inner: { raw: Uint8Array.of(1, 2) } },
    });
    const shape = messageShape(RecordSchema);
    assert.deepEqual(shape.fromProtobuf(shape.toProtobuf(record)), record);
  });

  test("bytes have memory of their own: the body may be reused at once", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    /** Writes `fields`, reads them, and spoils the body before the message is looked at. */
    const afterReuse = <Desc extends DescMessage>(desc: Desc, fields: MessageInitShape<Desc>) => {
      const body = toBinary(desc, create(desc, fields));
      const message = messageShape(desc).fromProtobuf(body);
      body.fill(0xff);
      return message;
    };
    assert.deepEqual(afterReuse(EchoSchema, { data: bytes }).data, bytes);
    assert.deepEqual(afterReuse(MapsSchema, { byUint64: { 5: bytes } }).byUint64["5"], bytes);
    assert.deepEqual(afterReuse(ListsSchema, { bytesValues: [bytes] }).bytesValues, [bytes]);
    assert.deepEqual(afterReuse(WellKnownSchema, { bytesWrapper: bytes }).bytesWrapper, bytes);
  });
});

suite("protobuf within bounds", () => {
  /** `depth` trees, each the left of the one around it. */
  const tree = (depth: number): Uint8Array => {
    let bytes = new Uint8Array();
    for (let level = 1; level < depth; level++) {
      bytes = new BinaryWriter()
        .tag(2, WireType.LengthDelimited)
        .bytes(bytes)
        .finish() as typeof bytes;
    }
    return bytes;
  };
  const trees = messageShape(TreeSchema);
  const lists = messageShape(ListsSchema);

  test(`${MAX_DEPTH} messages deep, not ${MAX_DEPTH + 1}`, () => {
    let depth = 0;
    for (let at = trees.fromProtobuf(tree(MAX_DEPTH)); ; depth++) {
      if (at.left === undefined) break;
      at = at.left;
    }
    assert.equal(depth, MAX_DEPTH - 1);
    assert.throws(() => trees.fromProtobuf(tree(MAX_DEPTH + 1)), {
      code: "ERR_WIRE_BODY",
      message: /nested more than 64 messages deep$/,
    });
  });

  test("100,000 unknown groups deep", () =>
    assert.throws(() => trees.fromProtobuf(new Uint8Array(100_000).fill(0x2b)), {
      message: "kinds.Tree: nested more than 64 messages deep",
    }));

  test(`${MAX_VALUES} repeated values, not one more`, () => {
    const points = hex("62 00");
    const body = (count: number) => Buffer.alloc(count * 2, points);
    assert.equal(lists.fromProtobuf(body(MAX_VALUES)).points.length, MAX_VALUES);
    assert.throws(() => lists.fromProtobuf(body(MAX_VALUES + 1)), {
      message: `kinds.Lists.points: more than ${MAX_VALUES} repeated values in one body`,
    });
  });

  test(`${MAX_PACKED_NUMBERS} packed numbers, not one more`, () => {
    const body = (count: number) =>
      new BinaryWriter().tag(3, WireType.LengthDelimited).bytes(new Uint8Array(count)).finish();
    assert.equal(
      lists.fromProtobuf(body(MAX_PACKED_NUMBERS)).int32Values.length,
      MAX_PACKED_NUMBERS,
    );
    assert.throws(() => lists.fromProtobuf(body(MAX_PACKED_NUMBERS + 1)), {
      message: `kinds.Lists.int32_values: more than ${MAX_PACKED_NUMBERS} packed numbers in one body`,
    });
  });
});

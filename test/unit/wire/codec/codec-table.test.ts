import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Codec } from "#src/wire/codec/codec.ts";
import { CodecTable } from "#src/wire/codec/codec-table.ts";
import { CODECS } from "#src/wire/codec/codecs.ts";

const codec = (contentType: string): Codec => ({ ...CODECS.bytes, name: "custom", contentType });

suite("the table of codecs", () => {
  test("finds built-in ones and those that were added, exactly", () => {
    const table = new CodecTable();
    const cbor = codec("application/cbor");
    table.add(cbor);
    assert.equal(table.find("application/cbor"), cbor);
    assert.equal(table.find("application/json"), CODECS.json);
    for (const other of ["application/CBOR", "application/cbor; v=1", "application/cbor ", ""]) {
      assert.equal(table.find(other), undefined);
    }
    assert.equal(new CodecTable().find("application/cbor"), undefined, "one agent's own");
  });

  for (const contentType of [
    ...Object.values(CODECS).map((each) => each.contentType),
    "text/plain",
    "application/grpc",
    "application/grpc+json",
    "application/grpc+proto",
  ]) {
    test(`${contentType} can't be replaced`, () =>
      assert.throws(() => new CodecTable().add(codec(contentType)), {
        code: "ERR_HANDLER_MODULE",
        message: `${contentType} is built in and can't be replaced`,
      }));
  }

  for (const contentType of [
    "",
    "cbor",
    "application/",
    "/cbor",
    "application/cbor/2",
    "Application/cbor",
    "application/cbor; charset=utf-8",
    "application/cbor\r\nX-Evil: 1",
    "application/ cbor",
    "application/cbör",
    "application/*\u0000",
    `application/${"x".repeat(65)}`,
  ]) {
    test(`${JSON.stringify(contentType).slice(0, 60)} is no content type`, () =>
      assert.throws(() => new CodecTable().add(codec(contentType)), {
        code: "ERR_HANDLER_MODULE",
        message: /is not type\/subtype in lower case/,
      }));
  }

  test("has no place for a second codec of one type, or for a 17th", () => {
    const table = new CodecTable();
    for (let n = 1; n <= 16; n++) table.add(codec(`application/x-${n}`));
    const message = "there is a codec for application/x-1 already";
    assert.throws(() => table.add(codec("application/x-1")), { message });
    assert.throws(() => table.add(codec("application/x-17")), { message: "more than 16 codecs" });
  });
});

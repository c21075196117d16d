import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  formatMessage,
  messageFields,
  parseMetadata,
  readMessage,
} from "#src/cli/calling/message.ts";
import type { CodecName } from "#src/wire/codec/codec.ts";
import { FakeOutput } from "../../../fakes/terminal.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const form = (codec: CodecName, base64 = false) => ({ codec, base64 });

suite("readMessage", () => {
  const good = [
    {
      typed: '{"seq":9007199254740993}',
      form: form("json"),
      read: '{"seq":9007199254740993}',
      why: "text as it is",
    },
    { typed: "", form: form("json"), read: "", why: "nothing is the empty message" },
    { typed: "\x00\xff", form: form("bytes"), read: "\x00\xff", why: "any bytes" },
    { typed: "AP8=", form: form("protobuf", true), read: "\x00\xff", why: "base64" },
    {
      typed: "AP8\n",
      form: form("protobuf", true),
      read: "\x00\xff",
      why: "without padding, as the terminal ends a line",
    },
    { typed: "e30=", form: form("json", true), read: "{}", why: "base64 of JSON" },
  ];
  for (const { typed, form, read, why } of good) {
    test(`${JSON.stringify(typed)} as ${form.codec}: ${why}`, () =>
      assert.equal(Buffer.from(readMessage(bytes(typed), form)).toString("latin1"), read));
  }

  const bad = [
    { typed: "{", form: form("json"), says: /not JSON/, why: "half" },
    { typed: "{'a':1}", form: form("json"), says: /not JSON/, why: "the shell's quotes" },
    { typed: "\xff", form: form("json-rpc"), says: /not valid UTF-8/, why: "latin-1" },
    { typed: "A!==", form: form("protobuf", true), says: /not base64/, why: "another alphabet" },
  ];
  for (const { typed, form, says, why } of bad) {
    test(`refuses ${JSON.stringify(typed)} as ${form.codec}: ${why}`, () =>
      assert.throws(() => readMessage(bytes(typed), form), { code: "ERR_USAGE", message: says }));
  }
});

suite("formatMessage", () => {
  const body = bytes("\x00\xff");
  const rows = [
    {
      body: bytes("{}"),
      form: form("json"),
      terminal: false,
      printed: "{}\n",
      why: "a line of text",
    },
    {
      body,
      form: form("bytes"),
      terminal: false,
      printed: body,
      why: "bytes as they are into a pipe",
    },
    {
      body,
      form: form("bytes"),
      terminal: true,
      printed: "AP8=\n",
      why: "but not onto a terminal",
    },
    {
      body,
      form: form("protobuf", true),
      terminal: false,
      printed: "AP8=\n",
      why: "base64 where asked for",
    },
  ];
  for (const { body, form, terminal, printed, why } of rows) {
    test(`${form.codec}: ${why}`, () =>
      assert.deepEqual(formatMessage(body, form, new FakeOutput(terminal)), printed));
  }

  test("in a document JSON is text and all else base64", () => {
    assert.deepEqual(messageFields(bytes("{}"), form("json-rpc")), { body: "{}" });
    assert.deepEqual(messageFields(body, form("proto-rpc")), { bodyBase64: "AP8=" });
  });
});

suite("--metadata", () => {
  test("the value may hold anything", () => {
    const read = parseMetadata(["a=1", "b=x=y", "c="]);
    assert.deepEqual(
      [...read],
      [
        ["a", "1"],
        ["b", "x=y"],
        ["c", ""],
      ],
    );
  });
  for (const pair of ["secret", "=secret"]) {
    test(`"${pair}" is refused without repeating it`, () =>
      assert.throws(() => parseMetadata([pair]), {
        code: "ERR_USAGE",
        message: "--metadata must be KEY=VALUE",
      }));
  }
});

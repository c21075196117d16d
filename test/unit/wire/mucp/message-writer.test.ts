import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CONTINUE, formatReply, formatRequest } from "#src/wire/mucp/message-writer.ts";
import { readReplies, readRequests } from "./recorded-reading.ts";

const text = (message: Uint8Array): string => Buffer.from(message).toString("utf8");
const NOTHING = new Uint8Array(0);
const reply = (name: string, value: string): string => text(formatReply([[name, value]], NOTHING));

suite("formatRequest and formatReply", () => {
  test("a request, head and body in one buffer", () => {
    const message = formatRequest(
      { host: "127.0.0.1:9100" },
      [
        ["content-type", "application/json"],
        ["Micro-Id", "7"],
      ],
      Buffer.from("{}\n"),
    );
    assert.equal(
      text(message),
      "POST / HTTP/1.1\r\nHost: 127.0.0.1:9100\r\nContent-Type: application/json\r\nMicro-Id: 7\r\nContent-Length: 3\r\n\r\n{}\n",
    );
  });

  test("a reply without a body says so", () =>
    assert.equal(text(formatReply([], NOTHING)), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));

  test("octets of the body are untouched beside a head that is not ASCII", () => {
    const body = Uint8Array.from({ length: 256 }, (_, octet) => octet);
    const message = formatReply([["micro-error", "grüße ✓ 𝄞"]], body);
    assert.deepEqual(message.subarray(-256), Buffer.from(body));
    const { messages, error } = readReplies(message);
    assert.equal(error, undefined);
    assert.equal(messages[0]?.headers["micro-error"], "grüße ✓ 𝄞");
    assert.equal(messages[0]?.headers["content-length"], "256");
  });

  const names = [
    { name: "content-type", wire: "Content-Type", why: "known, lower case" },
    { name: "CONTENT-TYPE", wire: "Content-Type", why: "known, another case" },
    { name: "micro-id", wire: "Micro-Id", why: "Go's canonical form" },
    { name: "x-REQUEST-id", wire: "X-Request-Id", why: "unknown, made canonical" },
    { name: "a.b_c", wire: "A.b_c", why: "any token is a name" },
    { name: "connection", wire: "Connection", why: "a server may say that it closes" },
  ];
  for (const { name, wire, why } of names) {
    test(`name ${name}: ${why}`, () =>
      assert.equal(reply(name, "v"), `HTTP/1.1 200 OK\r\n${wire}: v\r\nContent-Length: 0\r\n\r\n`));
  }

  const refused = [
    { name: "", why: "empty" },
    { name: "a b", why: "space" },
    { name: "a:", why: "colon" },
    { name: "a\r\nEvil", why: "line end" },
    { name: "a\0", why: "NUL" },
    { name: "naïve", why: "not ASCII" },
    { name: "\u212a", why: "Kelvin sign, whose lower case is k" },
    { name: "content-length", why: "frames the message" },
    { name: "Content-LENGTH", why: "frames the message, in any case" },
    { name: "transfer-encoding", why: "frames the message" },
    { name: "host", why: "written by the transport" },
    { name: "Expect", why: "would make the peer wait" },
  ];
  for (const { name, why } of refused) {
    test(`name ${JSON.stringify(name)} is refused: ${why}`, () => {
      assert.throws(() => reply(name, "v"), { name: "AgentError", code: "ERR_WIRE_MESSAGE" });
      assert.throws(() => formatRequest({ host: "h" }, [[name, "v"]], NOTHING), {
        code: "ERR_WIRE_MESSAGE",
      });
    });
  }

  const values = [
    { value: "plain", wire: "plain", why: "as it is" },
    { value: "a\tb", wire: "a\tb", why: "a tab may stand" },
    { value: "a\r\nEvil: b", wire: "a  Evil: b", why: "line ends become spaces" },
    { value: "a\nb\rc", wire: "a b c", why: "either of them" },
    { value: "\0\x01\x1b\x1f\x7f", wire: "     ", why: "and all other control characters" },
    { value: "é\n✓", wire: "é ✓", why: "UTF-8 stays" },
    { value: "\ud800x", wire: "\ufffdx", why: "half a pair can't be written" },
    { value: "", wire: "", why: "empty" },
  ];
  for (const { value, wire, why } of values) {
    test(`value ${JSON.stringify(value)}: ${why}`, () => {
      assert.equal(reply("x", value), `HTTP/1.1 200 OK\r\nX: ${wire}\r\nContent-Length: 0\r\n\r\n`);
      const host = text(formatRequest({ host: value }, [], NOTHING));
      assert.equal(host, `POST / HTTP/1.1\r\nHost: ${wire}\r\nContent-Length: 0\r\n\r\n`);
    });
  }

  test("no value can make a second message", () => {
    const evil = "x\r\nContent-Length: 0\r\n\r\nPOST / HTTP/1.1\r\nMicro-Id: evil";
    const message = formatRequest({ host: evil }, [["micro-error", evil]], Buffer.from("b"));
    const { messages, error } = readRequests(message);
    assert.equal(error, undefined);
    assert.equal(messages.length, 1);
    assert.equal(messages[0]?.body, "b");
  });

  test("100 Continue is an interim reply", () => {
    const both = Buffer.concat([CONTINUE, formatReply([], NOTHING)]);
    const { messages, error } = readReplies(both);
    assert.equal(error, undefined);
    assert.deepEqual(
      messages.map(({ start }) => start),
      ["200 OK"],
    );
  });
});

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { formatMicroError } from "#src/wire/mucp/error.ts";
import type { ResponseHead } from "#src/wire/mucp/message.ts";
import { errorHeaders, type Reply, readReply, replyHeaders } from "#src/wire/mucp/reply.ts";

const headOf = (
  headers: Readonly<Record<string, string>>,
  status = 200,
  reason = "OK",
): ResponseHead => ({
  status,
  reason,
  headers: new Map(Object.entries(headers)),
  close: false,
});
const failure = (code: number, detail: string, status: string, id = ""): Reply => ({
  kind: "error",
  error: { id, code, detail, status },
});
const JSON_TYPE = { "content-type": "application/json" };
const NOT_FOUND = { id: "a", code: 404, detail: "none", status: "Not Found" };
const TRANSPORT = "go.micro.client.transport";

suite("readReply", () => {
  const rows: readonly {
    readonly why: string;
    readonly head: ResponseHead;
    readonly body?: string;
    readonly reply: Reply;
  }[] = [
    { why: "good", head: headOf(JSON_TYPE), body: "{}", reply: { kind: "ok" } },
    { why: "good and empty: the zero message", head: headOf(JSON_TYPE), reply: { kind: "ok" } },
    { why: "without a content type", head: headOf({}), reply: { kind: "ok" } },
    {
      why: "an empty Micro-Error is none",
      head: headOf({ "micro-error": "" }),
      reply: { kind: "ok" },
    },
    {
      why: "typed error",
      head: headOf({ ...JSON_TYPE, "micro-error": formatMicroError(NOT_FOUND) }),
      reply: { kind: "error", error: NOT_FOUND },
    },
    {
      why: "untyped error",
      head: headOf({ "micro-error": "plain failure" }),
      reply: failure(500, "plain failure", "Internal Server Error"),
    },
    {
      why: "only the X- copy",
      head: headOf({ "x-micro-error": formatMicroError(NOT_FOUND) }),
      reply: { kind: "error", error: NOT_FOUND },
    },
    {
      why: "end of stream",
      head: headOf({ "micro-error": "EOS" }),
      reply: { kind: "end-of-stream" },
    },
    {
      why: "end of stream, only the X- copy",
      head: headOf({ "x-micro-error": "EOS" }),
      reply: { kind: "end-of-stream" },
    },
    {
      why: "end of stream is exact",
      head: headOf({ "micro-error": "EOS " }),
      reply: failure(500, "EOS ", "Internal Server Error"),
    },
    {
      why: "an error wins over a body",
      head: headOf({ ...JSON_TYPE, "micro-error": "boom" }),
      body: "{}",
      reply: failure(500, "boom", "Internal Server Error"),
    },
    {
      why: "text/plain without Micro-Error: a content type that is not spoken there",
      head: headOf({ "content-type": "text/plain" }),
      body: "unsupported Content-Type: text/html",
      reply: failure(415, "unsupported Content-Type: text/html", "Unsupported Media Type"),
    },
    {
      why: "text/plain with parameters, another text",
      head: headOf({ "content-type": "text/plain; charset=utf-8" }),
      body: " hello\n",
      reply: failure(500, "hello", "Internal Server Error"),
    },
    {
      why: "400: plain HTTP to a TLS port",
      head: headOf({}, 400, "Bad Request"),
      body: "Client sent an HTTP request to an HTTPS server.\n",
      reply: failure(
        400,
        "400 Bad Request: Client sent an HTTP request to an HTTPS server.",
        "Bad Request",
        TRANSPORT,
      ),
    },
    {
      why: "307: a path that needs cleaning",
      head: headOf({ location: "/" }, 307, "Temporary Redirect"),
      reply: failure(500, "307 Temporary Redirect", "Internal Server Error", TRANSPORT),
    },
    {
      why: "500: the body could not be read",
      head: headOf({}, 500, ""),
      body: "unexpected EOF",
      reply: failure(500, "500: unexpected EOF", "Internal Server Error", TRANSPORT),
    },
    {
      why: "204 is no answer",
      head: headOf({}, 204, "No Content"),
      reply: failure(500, "204 No Content", "Internal Server Error", TRANSPORT),
    },
    {
      why: "not 200, but it says why in go-micro's way",
      head: headOf({ "micro-error": formatMicroError(NOT_FOUND) }, 404, "Not Found"),
      reply: { kind: "error", error: NOT_FOUND },
    },
    {
      why: "EOS with another status ends nothing in good order",
      head: headOf({ "micro-error": "EOS" }, 502, "Bad Gateway"),
      reply: failure(502, "502 Bad Gateway", "Bad Gateway", TRANSPORT),
    },
  ];
  for (const { why, head, body = "", reply } of rows) {
    test(why, () => assert.deepEqual(readReply(head, Buffer.from(body)), reply));
  }

  test("of a large text body only the beginning is repeated", () => {
    const reply = readReply(headOf({}, 500, "X"), Buffer.alloc(100_000, "é"));
    assert.ok(reply.kind === "error" && reply.error.detail.length < 1100);
  });
});

suite("replyHeaders and errorHeaders", () => {
  const to = { contentType: "application/json", id: "7", streamId: undefined };

  test("echo content type and id, nothing else", () =>
    assert.deepEqual(replyHeaders(to), [
      ["content-type", "application/json"],
      ["micro-id", "7"],
    ]));
  test("without an id, none", () =>
    assert.deepEqual(replyHeaders({ ...to, id: "" }), [["content-type", "application/json"]]));
  test("with a stream, its id", () =>
    assert.deepEqual(replyHeaders({ ...to, streamId: "3" }).at(-1), ["micro-stream", "3"]));
  test("metadata of the handler, without the transport's own", () => {
    const metadata = new Map([
      ["retry-after", "3"],
      ["content-length", "0"],
      ["Micro-Error", "EOS"],
      ["x-micro-error", "EOS"],
    ]);
    assert.deepEqual(replyHeaders(to, metadata).slice(2), [["retry-after", "3"]]);
    assert.deepEqual(errorHeaders(to, "boom", metadata).slice(2), [
      ["retry-after", "3"],
      ["micro-error", "boom"],
    ]);
  });
});

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { retryAfterMs } from "#src/rpc/client/remote-error.ts";
import {
  formatMicroError,
  MAX_DETAIL,
  microErrorOf,
  parseMicroError,
  statusText,
} from "#src/wire/mucp/error.ts";
import { formatReply } from "#src/wire/mucp/message-writer.ts";

const ISE = "Internal Server Error";

suite("parseMicroError", () => {
  const rows = [
    {
      why: "go-micro's own",
      text: '{"id":"greeter.fail","code":404,"detail":"no such ann","status":"Not Found"}',
      error: { id: "greeter.fail", code: 404, detail: "no such ann", status: "Not Found" },
    },
    {
      why: "status is filled in",
      text: '{"id":"a","code":429,"detail":"slow down"}',
      error: { id: "a", code: 429, detail: "slow down", status: "Too Many Requests" },
    },
    {
      why: "a code that no table knows",
      text: '{"code":777}',
      error: { id: "", code: 777, detail: "", status: "" },
    },
    {
      why: "a negative code is an int32 too",
      text: '{"code":-1,"status":"odd"}',
      error: { id: "", code: -1, detail: "", status: "odd" },
    },
    {
      why: "members of other types count as absent",
      text: '{"id":5,"code":400,"detail":{},"status":null}',
      error: { id: "", code: 400, detail: "", status: "Bad Request" },
    },
    {
      why: "code 0: the text is the detail",
      text: '{"id":"a","code":0,"detail":"x","status":""}',
      error: {
        id: "",
        code: 500,
        detail: '{"id":"a","code":0,"detail":"x","status":""}',
        status: ISE,
      },
    },
    {
      why: "no code: the text is the detail",
      text: '{"message":"x"}',
      error: { id: "", code: 500, detail: '{"message":"x"}', status: ISE },
    },
    {
      why: "a code that is no int32",
      text: '{"code":1e10}',
      error: { id: "", code: 500, detail: '{"code":1e10}', status: ISE },
    },
    {
      why: "a fraction",
      text: '{"code":404.5}',
      error: { id: "", code: 500, detail: '{"code":404.5}', status: ISE },
    },
    {
      why: "a code as text",
      text: '{"code":"404"}',
      error: { id: "", code: 500, detail: '{"code":"404"}', status: ISE },
    },
    { why: "an array", text: "[1]", error: { id: "", code: 500, detail: "[1]", status: ISE } },
    { why: "null", text: "null", error: { id: "", code: 500, detail: "null", status: ISE } },
    {
      why: "JSON that breaks off",
      text: '{"id":"a',
      error: { id: "", code: 500, detail: '{"id":"a', status: ISE },
    },
    {
      why: "plain text",
      text: "plain failure for ann",
      error: { id: "", code: 500, detail: "plain failure for ann", status: ISE },
    },
    {
      why: "service that is not there",
      text: "rpc: can't find service Nope",
      error: { id: "", code: 404, detail: "rpc: can't find service Nope", status: "Not Found" },
    },
    {
      why: "method that is not there",
      text: "rpc: can't find method Nope",
      error: { id: "", code: 404, detail: "rpc: can't find method Nope", status: "Not Found" },
    },
    {
      why: "endpoint without a dot",
      text: "rpc: service/endpoint request ill-formed: Hello",
      error: {
        id: "",
        code: 400,
        detail: "rpc: service/endpoint request ill-formed: Hello",
        status: "Bad Request",
      },
    },
    {
      why: "deadline in a Go handler",
      text: "context deadline exceeded",
      error: { id: "", code: 408, detail: "context deadline exceeded", status: "Request Timeout" },
    },
    {
      why: "the same words inside another text mean nothing",
      text: "upstream: context deadline exceeded",
      error: { id: "", code: 500, detail: "upstream: context deadline exceeded", status: ISE },
    },
    { why: "nothing", text: "", error: { id: "", code: 500, detail: "", status: ISE } },
  ];
  for (const { why, text, error } of rows) {
    test(why, () => assert.deepEqual(parseMicroError(text), error));
  }

  test("a long text of a peer is cut", () => {
    const { detail } = parseMicroError("x".repeat(60_000));
    assert.equal(detail.length, 16 * 1024);
    assert.ok(detail.endsWith("x…"));
  });

  test("deep JSON is only a text", () => {
    const text = `${'{"a":'.repeat(9000)}1${"}".repeat(9000)}`;
    assert.equal(parseMicroError(text).code, 500);
  });
});

suite("formatMicroError", () => {
  test("members in go-micro's order, and parsing gives it back", () => {
    const error = { id: "a.b", code: 403, detail: 'no "x"\nhere ✓', status: "Forbidden" };
    const text = formatMicroError(error);
    assert.equal(
      text,
      '{"id":"a.b","code":403,"detail":"no \\"x\\"\\nhere ✓","status":"Forbidden"}',
    );
    assert.deepEqual(parseMicroError(text), error);
  });

  const long = [
    { why: "as long as allowed", detail: "x".repeat(MAX_DETAIL), ends: "xx", length: MAX_DETAIL },
    { why: "one longer", detail: "x".repeat(MAX_DETAIL + 1), ends: "x…", length: MAX_DETAIL },
    {
      why: "a surrogate pair at the cut goes whole",
      detail: `${"x".repeat(MAX_DETAIL - 2)}𝄞𝄞`,
      ends: "x…",
      length: MAX_DETAIL - 1,
    },
  ];
  for (const { why, detail, ends, length } of long) {
    test(`detail ${why}`, () => {
      const error = parseMicroError(formatMicroError({ id: "a", code: 500, detail, status: "" }));
      assert.equal(error.detail.length, length);
      assert.ok(error.detail.endsWith(ends));
      assert.ok(error.detail.isWellFormed());
    });
  }

  test("the worst text still fits a header with room to spare", () => {
    const worst = "\u0001".repeat(100_000);
    const text = formatMicroError({ id: worst, code: 500, detail: worst, status: worst });
    const message = formatReply([["micro-error", text]], new Uint8Array(0));
    assert.ok(message.length < 16 * 1024, `${message.length} bytes`);
  });
});

suite("microErrorOf", () => {
  test("code of the error's family, its message, never its cause", () => {
    const cause = new Error("secret of the inside");
    const error = new AgentError("ERR_RATE_LIMITED", "slow down", { cause });
    assert.deepEqual(microErrorOf(error, "microedge.Agent.Echo"), {
      id: "microedge.Agent.Echo",
      code: 429,
      detail: "slow down",
      status: "Too Many Requests",
    });
  });
});

suite("an error that knows when the peer may come back", () => {
  test("has JSON for its detail, which our own client reads", () => {
    const error = new AgentError("ERR_RATE_LIMITED", "slow down", {
      fields: { limit: "per_peer", retry_after_ms: 750, secret: "of the log" },
    });
    const { detail, code } = microErrorOf(error, "microedge.Agent.Echo");
    assert.equal(detail, '{"message":"slow down","limit":"per_peer","retry_after_ms":750}');
    assert.equal(code, 429);
    assert.equal(retryAfterMs(undefined, detail, 0), 750);
    assert.equal(retryAfterMs("1", detail, 0), 750, "rather than the header, which is rounded");
  });
});

suite("statusText", () => {
  for (const [code, text] of [
    [400, "Bad Request"],
    [401, "Unauthorized"],
    [403, "Forbidden"],
    [404, "Not Found"],
    [405, "Method Not Allowed"],
    [408, "Request Timeout"],
    [409, "Conflict"],
    [413, "Request Entity Too Large"],
    [429, "Too Many Requests"],
    [500, "Internal Server Error"],
    [503, "Service Unavailable"],
    [0, ""],
    [777, ""],
  ] as const) {
    test(`${code}`, () => assert.equal(statusText(code), text));
  }
});

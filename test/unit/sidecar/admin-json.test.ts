import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseRequest } from "#src/sidecar/admin-json.ts";

const REFUSED = [
  {
    why: "more values than memory",
    text: `{"body":[${"[],".repeat(100_000)}[]]}`,
    says: /more than 100000/,
  },
  { why: "deep", text: `{"body":${"[".repeat(1_000)}`, says: /nested more than/ },
  { why: "no object", text: "[]", says: /not a JSON object/ },
  { why: "half", text: "{", says: /not JSON: expected/ },
];

suite("parseRequest", () => {
  for (const { why, text, says } of REFUSED) {
    test(`refuses ${why}`, () =>
      assert.throws(() => parseRequest(text), { code: "ERR_CONTROL_REQUEST", message: says }));
  }

  test("reads members", () => {
    assert.equal(parseRequest('{"timeoutMs":5,"body":"{}"}')["timeoutMs"], 5);
  });
});

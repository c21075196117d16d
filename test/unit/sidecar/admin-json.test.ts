import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  formatCall,
  formatProbe,
  parseCall,
  parseProbe,
  parseRequest,
} from "#src/sidecar/admin-json.ts";

const REFUSED = [
  {
    why: "more values than memory",
    text: `{"body":[${"[],".repeat(100_000)}[]]}`,
    says: /more than 25000/,
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

const CALL = { service: "s", endpoint: "H.M" };

const BAD_DIRECT = [
  { why: "a name without an address", more: { serverName: "x" }, says: /serverName goes with/ },
  { why: "no port", more: { address: "host" }, says: /address "host"/ },
  { why: "an address that is no text", more: { address: 7 }, says: /address must be text/ },
  { why: "an empty name", more: { address: "h:1", serverName: "" }, says: /serverName must be/ },
];

suite("a call to an address", () => {
  for (const { why, more, says } of BAD_DIRECT) {
    test(`refuses ${why}`, () =>
      assert.throws(() => parseCall({ ...CALL, ...more }), {
        code: "ERR_CONTROL_REQUEST",
        message: says,
      }));
  }

  test("comes out as it went in", () => {
    const call = parseCall({ ...CALL, address: "[::1]:8443", serverName: "roof-7" });
    assert.deepEqual([call.address, call.serverName], ["[::1]:8443", "roof-7"]);
    assert.deepEqual(parseCall(formatCall(call)), call);
  });
});

suite("a probe", () => {
  for (const { why, members, says } of [
    { why: "no address", members: { timeoutMs: 5 }, says: /address must be text/ },
    { why: "a URL", members: { address: "https://h:1", timeoutMs: 5 }, says: /leave the scheme/ },
    { why: "no time", members: { address: "h:1" }, says: /timeoutMs must be/ },
    {
      why: "a word for a truth",
      members: { address: "h:1", timeoutMs: 5, ownOnly: "yes" },
      says: /ownOnly/,
    },
    { why: "an hour", members: { address: "h:1", timeoutMs: 3_600_000 }, says: /to 60000/ },
  ]) {
    test(`refuses ${why}`, () =>
      assert.throws(() => parseProbe(members), { code: "ERR_CONTROL_REQUEST", message: says }));
  }

  test("comes out as it went in", () => {
    const request = {
      host: "::1",
      port: 443,
      serverName: "roof-7",
      timeoutMs: 5_000,
      ownOnly: true,
    };
    assert.deepEqual(parseProbe(formatProbe(request)), request);
  });
});

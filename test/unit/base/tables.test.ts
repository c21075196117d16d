/**
 * The tables of errors and events keep their own rules, and the code uses what they list.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { AgentError, ERRORS, type ErrorCode, errorText, isAgentError } from "#src/base/errors.ts";
import { EVENTS } from "#src/base/log.ts";

const SOURCES = globSync("src/**/*.ts")
  .filter((file) => !file.endsWith("_pb.ts"))
  .map((file) => ({ file, text: readFileSync(file, "utf8") }));
const usedOutside = (table: string, name: string): boolean =>
  SOURCES.some(({ file, text }) => file !== table && text.includes(`"${name}"`));

/** Rows that wait for the code that will use them; a row that is used must leave this list. */
const WAITING: ReadonlySet<string> = new Set(["ERR_KEY_NOT_EXPORTABLE"]);

suite("errors", () => {
  test("there is something to check", () => assert.ok(SOURCES.length > 50));

  for (const [code, { status, hint }] of Object.entries(ERRORS)) {
    test(`${code}: well-formed`, () => {
      assert.match(code, /^ERR_[A-Z]+(?:_[A-Z]+)*$/);
      assert.ok(status >= 400 && status < 600, `status ${status}`);
      assert.match(hint, /^[^\n]{8,}[^.]$/, "one line, no full stop");
    });
    test(`${code}: used, or on the list`, () =>
      assert.equal(usedOutside("src/base/errors.ts", code), !WAITING.has(code)));
  }

  test("an error carries its row", () => {
    const cause = new Error("inner");
    const error = new AgentError("ERR_RATE_LIMITED", "too fast", { cause, fields: { peer: "a" } });
    assert.deepEqual(
      [error.status, error.retry, error.hint, error.message, error.cause, error.fields["peer"]],
      [429, true, "slow down", "too fast", cause, "a"],
    );
    assert.ok(isAgentError(error));
    assert.ok(isAgentError(error, "ERR_RATE_LIMITED"));
    assert.ok(!isAgentError(error, "ERR_INTERNAL"));
    assert.ok(!isAgentError(new TypeError("a bug")));
  });

  test("without a cause there is none", () =>
    assert.ok(!("cause" in new AgentError("ERR_INTERNAL" satisfies ErrorCode, "x"))));

  test("the text of anything thrown", () => {
    assert.equal(errorText(new Error("a")), "a");
    assert.equal(errorText("b"), "b");
    assert.equal(errorText(undefined), "undefined");
  });
});

suite("events", () => {
  for (const [event, { level, msg }] of Object.entries(EVENTS)) {
    test(`${event}: well-formed`, () => {
      assert.match(event, /^[a-z]+(?:\.[a-z]+)+$/);
      assert.ok(["debug", "info", "warn", "error"].includes(level));
      assert.match(msg, /^(?:[a-z]|TLS|CA)[^\n]*[^.]$/, "no capital, no full stop");
    });
    test(`${event}: used, or on the list`, () =>
      assert.equal(usedOutside("src/base/log.ts", event), !WAITING.has(event)));
  }
});

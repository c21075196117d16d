/**
 * What a remote service says is shown by the command line; it must not steer the terminal, nor pose as
 * the command line's own words.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { Report } from "#src/cli/report.ts";
import { RemoteError } from "#src/rpc/client/remote-error.ts";
import { FakeTerminal } from "../fakes/terminal.ts";

const HOSTILE = "\u001b]0;red\u001b]0;title\u0007\u001b[2J\u009b1A\u202eevil\u2028\r\b";
/** A terminal may get text, line ends, tabs and, where `colours` are ours, those. */
function assertHarmless(text: string, colours: boolean): void {
  const plain = colours ? text.replaceAll("\u001b[32m", "").replaceAll("\u001b[0m", "") : text;
  const steering = [...plain].filter((character) => {
    const code = character.charCodeAt(0);
    if (character === "\n" || character === "\t") return false;
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e);
  });
  assert.deepEqual(steering, []);
}

function report({ json = false, terminal = true } = {}) {
  const fake = new FakeTerminal("/nowhere", terminal);
  return { fake, report: new Report(fake, json, "call") };
}

const remote = new RemoteError(
  { id: `id${HOSTILE}`, code: 500, detail: `boom${HOSTILE}\n  fix: run rm`, status: HOSTILE },
  "127.0.0.1:1",
);
const ours = new AgentError("ERR_WIRE_MESSAGE", `reply: ${HOSTILE}`, { fields: { fix: HOSTILE } });

suite("hostile texts on a terminal", () => {
  for (const [why, thrown] of [
    ["an error of a remote", remote],
    ["an error that quotes", ours],
  ] as const) {
    test(`${why} is escaped, and has as many lines as we write`, () => {
      const { fake, report: told } = report();
      told.failure(thrown);
      assertHarmless(fake.stderr.text, false);
      assert.ok(fake.stderr.text.includes("\\u001b]0;title"), "shown, escaped");
      assert.equal(fake.stderr.text.split("\n").length, 4);
    });
  }

  test("a result too; its own line ends and colours stay", () => {
    const { fake, report: told } = report();
    told.result({}, () => `\u001b[32mok\u001b[0m\t1\n${HOSTILE}`);
    told.item({}, () => `{"text":"${HOSTILE}"}\n`);
    told.progress(HOSTILE);
    assertHarmless(fake.stdout.text, true);
    assert.ok(fake.stdout.text.startsWith("\u001b[32mok\u001b[0m\t1\n"));
    told.warning(HOSTILE);
    assertHarmless(fake.stderr.text, false);
  });

  test("in JSON it is escaped, and reads as it was", () => {
    const { fake, report: told } = report({ json: true });
    told.failure(remote);
    assertHarmless(fake.stdout.text, false);
    assert.equal(JSON.parse(fake.stdout.text).error.remote.status, HOSTILE);
  });

  test("a program gets a result byte for byte", () => {
    const { fake, report: told } = report({ terminal: false });
    told.result({}, () => `{"text":"${HOSTILE}"}\n`);
    assert.equal(fake.stdout.text, `{"text":"${HOSTILE}"}\n`);
  });
});

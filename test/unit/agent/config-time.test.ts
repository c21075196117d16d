import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type AgentConfig, parseConfig } from "#src/agent/config.ts";
import { ConfigError } from "#src/agent/config-problem.ts";
import { Fleet } from "../../fakes/trusted-time.ts";

const KEY = new Fleet().text;
const OTHER = new Fleet(8).text;

function load(
  toml: string,
  environment: Readonly<Record<string, string>> = {},
): AgentConfig["time"] {
  const text = `[tls]\ncert = "c"\nkey = "k"\nca = "a"\n[time]\n${toml}`;
  const context = { environment, root: false, nowMs: () => Date.UTC(2026, 5, 1) };
  return parseConfig(text, "/srv/microedge.toml", context).config.time;
}

suite("[time]", () => {
  test("nothing said: nobody may set the time back, nothing that has ended counts", () =>
    assert.deepEqual(load(""), { fleetKeys: [], notYetValid: "proven", expiredGraceHours: 0 }));

  test("everything said, in the file and in the environment", () => {
    const toml = `fleet_keys = ["${KEY}", "${OTHER}"]\nnot_yet_valid = "tolerate"\nexpired_grace_hours = 72`;
    const said = { fleetKeys: [KEY, OTHER], notYetValid: "tolerate", expiredGraceHours: 72 };
    assert.deepEqual(load(toml), said);
    const environment = {
      MICROEDGE_TIME_FLEET_KEYS: `${KEY}, ${OTHER}`,
      MICROEDGE_TIME_NOT_YET_VALID: "tolerate",
      MICROEDGE_TIME_EXPIRED_GRACE_HOURS: "72",
    };
    assert.deepEqual(load("", environment), said);
  });

  const bad = [
    { toml: 'fleet_keys = ["ed25519:AAAA"]', why: "a key that is cut off", words: /32 bytes/ },
    { toml: 'fleet_keys = ["-----BEGIN PUBLIC KEY-----"]', why: "PEM", words: /32 bytes/ },
    { toml: `fleet_keys = [${`"${KEY}",`.repeat(9)}]`, why: "nine keys", words: /at most 8/ },
    {
      toml: 'not_yet_valid = "yes"',
      why: "no such policy",
      words: /"refuse", "proven", "tolerate"/,
    },
    { toml: "expired_grace_hours = -1", why: "a negative grace", words: /0 to 2160/ },
    { toml: "expired_grace_hours = 2161", why: "more than 90 days", words: /0 to 2160/ },
  ];
  for (const { toml, why, words } of bad) {
    test(`refused: ${why}`, () =>
      assert.throws(
        () => load(toml),
        (error) => {
          assert.ok(error instanceof ConfigError);
          assert.match(error.problems.map(({ message }) => message).join(), words);
          return true;
        },
      ));
  }
});

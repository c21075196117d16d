import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseConfig } from "#src/agent/config.ts";
import { ConfigError } from "#src/agent/config-problem.ts";

const STORE = '[store]\ndir = "store"\n';
const FILES = '[tls]\ncert = "c"\nkey = "k"\nca = "a"\n';

function load(report: string, rest = STORE) {
  const text = `${rest}[report]\n${report}`;
  const place = { environment: {}, root: false, nowMs: () => Date.UTC(2026, 5, 1) };
  return parseConfig(text, "/srv/microedge.toml", place).config.report;
}

suite("[report]", () => {
  test("nothing said: nothing is reported", () => assert.equal(load("").service, undefined));

  test("a service is enough", () => {
    const { service, endpoint, timeoutMs } = load('service = "fleet"');
    assert.deepEqual([service, endpoint, timeoutMs], ["fleet", "Fleet.Report", 10_000]);
  });

  const bad: readonly { why: string; toml: string; rest?: string; key: string; words: RegExp }[] = [
    {
      why: "nowhere to wait",
      ...{ toml: 'service = "fleet"', rest: FILES, key: "report.service" },
      words: /needs store\.dir/,
    },
    {
      why: "an endpoint of nobody",
      ...{ toml: 'endpoint = "Fleet.Report"', key: "report.endpoint" },
      words: /needs report\.service/,
    },
    {
      why: "no method",
      ...{ toml: 'service = "fleet"\nendpoint = "Report"', key: "report.endpoint" },
      words: /Handler\.Method/,
    },
    {
      why: "no service name",
      ...{ toml: 'service = "fleet/a b"', key: "report.service" },
      words: /letters, digits/,
    },
    {
      why: "no time at all",
      ...{ toml: 'service = "fleet"\ntimeout_ms = 0', key: "report.timeout_ms" },
      words: /100 to 120000/,
    },
  ];
  for (const { why, toml, rest, key, words } of bad) {
    test(`${why}: ${key}`, () => {
      assert.throws(
        () => load(toml, rest),
        (thrown) => {
          assert.ok(thrown instanceof ConfigError);
          assert.deepEqual(
            thrown.problems.map((problem) => problem.key),
            [key],
          );
          assert.match(thrown.problems[0]?.message ?? "", words);
          return true;
        },
      );
    });
  }
});

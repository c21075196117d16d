/** The figures of the built program, and the alert rules that come with it, read by Prometheus' own parsers. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { suite, test } from "node:test";
import { METRICS } from "#src/sidecar/metrics-text.ts";
import { startAgent } from "../fakes/agent-process.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const READER = resolve(ROOT, "build/peers/read-metrics");
const RULES = resolve(ROOT, "docs/examples/prometheus-rules.yml");

interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: number;
}

/** Through Prometheus' parser of the text format; with rule files, through that of rules as well. */
function read(text: string, ...rules: readonly string[]) {
  if (!existsSync(READER)) throw new Error(`${READER} is missing: run scripts/peers`);
  const { status, stdout, stderr } = spawnSync(READER, rules, { input: text, encoding: "utf8" });
  return { status, stderr, families: status === 0 ? (JSON.parse(stdout) as Family[]) : [] };
}

suite("Prometheus reads", () => {
  test("what the built program serves: each family with its type and words", async () => {
    await using agent = await startAgent({
      inStore: true,
      config: '[metrics]\nlisten = "127.0.0.1:0"\n',
    });
    const failed = await agent.microedge("call", "microedge", "Agent.Nothing");
    assert.equal(failed.code, 1);
    const { address } = await agent.event("metrics.listening");
    const answer = await fetch(`http://${address}/metrics`);
    const { status, stderr, families } = read(await answer.text());
    assert.equal(status, 0, stderr);
    assert.ok(families.length > 50, `${families.length} families`);
    for (const { name, type, help, samples } of families) {
      const metric = METRICS[name as keyof typeof METRICS];
      assert.deepEqual([type.toLowerCase(), help], [metric?.type, metric?.help], name);
      assert.ok(samples > 0, name);
    }
    const refused = families.find(({ name }) => name === "microedge_calls_refused_total");
    assert.equal(refused?.samples, 1);
  });

  test("the alert rules: groups, expressions, words", () => {
    const { status, stderr } = read("", RULES);
    assert.equal(status, 0, stderr);
  });
});

suite("and its parsers are no yes-men", () => {
  const bad = [
    { text: "microedge_calls_total\n", why: "a sample without a value" },
    { text: 'a{b="c} 1\n', why: "a label without an end" },
    { text: "# TYPE a gauge\n# TYPE a counter\na 1\n", why: "two types" },
  ];
  for (const { text, why } of bad) {
    test(why, () => assert.equal(read(text).status, 1));
  }
  test("what is no rule file", () =>
    assert.equal(read("", resolve(ROOT, "package.json")).status, 1));
});

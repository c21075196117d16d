/** docs/metrics.md and the alert rules, held against the table of metrics: neither may know more or less. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { METRICS } from "#src/sidecar/metrics-text.ts";

const root = join(import.meta.dirname, "../../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const ROW = /^\| `(microedge_\w+)` \| (\w+) \| (.*?) \| (.+) \|$/gm;

const rows = [...read("docs/metrics.md").matchAll(ROW)].map(
  ([, name, type, labels = "", help]) => ({
    ...{ name, type, help },
    labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label),
  }),
);

suite("docs/metrics.md", () => {
  test("has a row for each metric, in the order of the code, and no other", () =>
    assert.deepEqual(
      rows.map(({ name }) => name),
      Object.keys(METRICS),
    ));
  for (const { name = "", ...row } of rows) {
    const { type, help, labels = [] } = METRICS[name as keyof typeof METRICS] ?? {};
    test(`${name}: type, labels and words`, () => assert.deepEqual(row, { type, help, labels }));
  }
});

suite("the alert rules", () => {
  const text = read("docs/examples/prometheus-rules.yml");
  const alerts = [...text.matchAll(/^ +- alert: (\w+)$/gm)].map(([, alert]) => alert);
  const used = [...text.replace(/^ *#.*$/gm, "").matchAll(/\bmicroedge_\w+/g)].map(
    ([name]) => name,
  );
  test("use metrics that there are", () => {
    assert.ok(used.length >= 4);
    for (const name of used) assert.ok(name in METRICS, name);
  });
  test("are those that the page speaks of", () => {
    const told = [...read("docs/metrics.md").matchAll(/^\| `(Microedge\w+)` \|/gm)];
    assert.deepEqual(
      told.map(([, alert]) => alert),
      alerts,
    );
    assert.equal(alerts.length, 3);
  });
});

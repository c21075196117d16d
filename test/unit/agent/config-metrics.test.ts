import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseConfig } from "#src/agent/config.ts";
import { ConfigError } from "#src/agent/config-problem.ts";
import { configEntries } from "#src/agent/config-view.ts";

function load(toml: string, environment: Readonly<Record<string, string>> = {}) {
  const text = `[tls]\ncert = "c"\nkey = "k"\nca = "a"\n[metrics]\n${toml}`;
  const context = { environment, root: false, nowMs: () => Date.UTC(2026, 5, 1) };
  return parseConfig(text, "/srv/microedge.toml", context);
}

suite("[metrics]", () => {
  test("off unless it is asked for", () => assert.equal(load("").config.metrics.listen, undefined));

  const good = [
    { listen: "127.0.0.1:9464", is: { kind: "tcp", host: "127.0.0.1", port: 9464 } },
    { listen: "127.8.9.1:0", is: { kind: "tcp", host: "127.8.9.1", port: 0 } },
    { listen: "[::1]:9464", is: { kind: "tcp", host: "::1", port: 9464 } },
    { listen: "unix:/run/m.sock", is: { kind: "unix", path: "/run/m.sock" } },
    { listen: "unix:m.sock", is: { kind: "unix", path: "/srv/m.sock" } },
  ];
  for (const { listen, is } of good) {
    test(`${listen}, in the file and in the environment; a change is live`, () => {
      const loaded = load(`listen = "${listen}"`);
      assert.deepEqual(loaded.config.metrics.listen, is);
      const fromEnvironment = load("", { MICROEDGE_METRICS_LISTEN: listen });
      assert.deepEqual(fromEnvironment.config.metrics.listen, is);
      const entry = configEntries(loaded).find(({ key }) => key === "metrics.listen");
      const shown = is.kind === "unix" ? `unix:${is.path}` : listen;
      assert.deepEqual([entry?.value, entry?.live], [shown, true]);
    });
  }

  const bad = [
    { listen: '"0.0.0.0:9464"', why: "all addresses" },
    { listen: '"[::]:9464"', why: "all addresses of IPv6" },
    { listen: '"10.0.0.7:9464"', why: "a private network" },
    { listen: '"128.0.0.1:9464"', why: "next to loopback" },
    { listen: '"127.0.0.1.example.org:9464"', why: "a name that begins like loopback" },
    { listen: '"localhost:9464"', why: "a name is what somebody makes of it" },
    { listen: '"[fe80::1]:9464"', why: "a link" },
    { listen: '"127.0.0.1"', why: "no port" },
    { listen: '"127.0.0.1:70000"', why: "no such port" },
    { listen: '"unix:"', why: "no path" },
    { listen: "9464", why: "a number" },
    { listen: '""', why: "nothing" },
  ];
  for (const { listen, why } of bad) {
    test(`refused: ${listen}: ${why}`, () =>
      assert.throws(
        () => load(`listen = ${listen}`),
        (error) => {
          assert.ok(error instanceof ConfigError);
          const [problem] = error.problems;
          assert.deepEqual([problem?.key, problem?.line], ["metrics.listen", 6]);
          assert.match(String(problem?.message), /"127\.0\.0\.1:9464".*not encrypted/);
          return true;
        },
      ));
  }

  const ports = [
    { rpc: "127.0.0.1:9464", listen: "127.0.0.1:9464", good: false, why: "the same address" },
    { rpc: "0.0.0.0:9464", listen: "127.0.0.1:9464", good: false, why: "all addresses have it" },
    { rpc: "127.0.0.1:0", listen: "127.0.0.1:0", good: true, why: "0 is two free ports" },
    { rpc: "127.0.0.1:9463", listen: "127.0.0.1:9464", good: true, why: "another port" },
    { rpc: "127.0.0.1:9464", listen: "unix:9464", good: true, why: "no port at all" },
  ];
  for (const { rpc, listen, good, why } of ports) {
    test(`beside rpc.listen ${rpc}, ${listen}: ${why}`, () => {
      const read = () => load(`listen = "${listen}"\n[rpc]\nlisten = "${rpc}"`);
      if (good) assert.doesNotThrow(read);
      else assert.throws(read, /metrics\.listen has the port of rpc\.listen, 9464/);
    });
  }
});

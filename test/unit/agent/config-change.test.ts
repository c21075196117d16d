import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type LoadedConfig, parseConfig } from "#src/agent/config.ts";
import { changeConfig } from "#src/agent/config-change.ts";
import { configEntries } from "#src/agent/config-view.ts";

const TLS = '[tls]\ncert = "c"\nkey = "k"\nca = "a"\n';

function load(toml: string): LoadedConfig {
  return parseConfig(`${TLS}${toml}`, "/srv/microedge.toml", {
    environment: {},
    root: false,
    nowMs: () => Date.UTC(2026, 5, 1),
  });
}

const node = (service: string): string =>
  `[[registry.static]]\nservice = "${service}"\naddresses = ["a:1"]\n`;

suite("what a reload changes", () => {
  const rows = [
    { old: "", fresh: "# only a comment", applied: [], needRestart: [], why: "nothing" },
    {
      old: "",
      fresh: '[log]\nlevel = "debug"',
      applied: ["log.level"],
      needRestart: [],
      why: "a live key",
    },
    {
      old: '[rpc]\nlisten = "a:1"',
      fresh: '[rpc]\nlisten = "a:2"',
      applied: [],
      needRestart: ["rpc.listen"],
      why: "a key that is bound at start",
    },
    {
      old: '[log]\nlevel = "debug"',
      fresh: '[log]\nlevel = "info"',
      applied: ["log.level"],
      needRestart: [],
      why: "back to the default",
    },
    {
      old: '[log]\nlevel = "info"',
      fresh: "",
      applied: [],
      needRestart: [],
      why: "the same value from another source is no change",
    },
    {
      old: node("a"),
      fresh: node("b") + node("c"),
      applied: ["registry.static"],
      needRestart: [],
      why: "a list is one key",
    },
    {
      old: '[[handlers]]\nmodule = "a.mjs"',
      fresh: "",
      applied: [],
      needRestart: ["handlers"],
      why: "modules are loaded at start",
    },
    {
      old: '[client]\nproxy = "http://me:old@h:1"',
      fresh: '[client]\nproxy = "http://me:new@h:1"',
      applied: [],
      needRestart: ["client.proxy"],
      why: "a changed password is a change, though never shown",
    },
  ];
  for (const { old, fresh, applied, needRestart, why } of rows) {
    test(why, () => {
      const change = changeConfig(load(old), load(fresh));
      assert.deepEqual([change.applied, change.needRestart], [applied, needRestart]);
    });
  }

  test("in force: new values of live keys, old ones of the others", () => {
    const old = load(`[rpc]\nlisten = "a:1"\n[[handlers]]\nmodule = "m.mjs"\n${node("a")}`);
    const fresh = load(
      `[rpc]\nlisten = "a:2"\n[log]\nlevel = "warn"\nformat = "json"\n${node("b")}`,
    );
    const { inForce } = changeConfig(old, fresh);
    assert.deepEqual(inForce.config.rpc.listen, { host: "a", port: 1 });
    assert.deepEqual(inForce.config.log, { level: "warn", format: "auto" });
    assert.deepEqual(inForce.config.handlers, old.config.handlers);
    assert.deepEqual(
      inForce.config.registry.static.map(({ service }) => service),
      ["b"],
    );
    const shown = new Map(configEntries(inForce).map(({ key, value }) => [key, value]));
    assert.equal(shown.get("rpc.listen"), "a:1");
    assert.equal(shown.get("log.level"), "warn");
    assert.equal(shown.get("log.format"), "auto");
    assert.equal(shown.get("registry.static[0].service"), "b");
    assert.equal(shown.get("handlers[0].module"), "/srv/m.mjs");
  });
});

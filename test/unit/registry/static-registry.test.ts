import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { StaticRegistry } from "#src/registry/static-registry.ts";

suite("StaticRegistry", () => {
  const registry = new StaticRegistry([
    { service: "greeter", addresses: ["127.0.0.1:1", "[::1]:2"], serverName: "greeter.example" },
    { service: "greeter", addresses: ["127.0.0.1:1", "127.0.0.1:3"] },
    { service: "greeter", addresses: ["127.0.0.1:4"], version: "v2" },
    { service: "clock", addresses: ["clock.example:80"], version: "v1" },
  ]);

  test("entries of one service and version are one record, an address counts once", async () => {
    const records = await registry.lookup("greeter");
    assert.deepEqual(
      records.map(({ version, nodes }) => [version, nodes.map((node) => node.address)]),
      [
        ["latest", ["127.0.0.1:1", "[::1]:2", "127.0.0.1:3"]],
        ["v2", ["127.0.0.1:4"]],
      ],
    );
  });

  test("the last entry of an address decides its server name", () => {
    const nodes = registry.peek("greeter").flatMap((record) => record.nodes);
    assert.deepEqual(
      nodes.map((node) => node.serverName),
      [undefined, "greeter.example", undefined, undefined],
    );
  });

  test("nodes say that they speak mucp, so that legacy codecs stay off", () => {
    const nodes = registry.peek("clock").flatMap((record) => record.nodes);
    assert.deepEqual(
      nodes.map((node) => node.metadata.get("protocol")),
      ["mucp"],
    );
  });

  test("an unknown service has no record", async () =>
    assert.deepEqual(await registry.lookup("nobody"), []));
  test("lists names in order", async () =>
    assert.deepEqual(await registry.list(), ["clock", "greeter"]));
  test("a bad address names its entry", () =>
    assert.throws(() => new StaticRegistry([{ service: "a", addresses: ["h:1", "h"] }]), {
      code: "ERR_REGISTRY_ADDRESS",
      message: /registry\.static\[0\] \(a\) addresses\[1\] "h": .*port/,
    }));
});

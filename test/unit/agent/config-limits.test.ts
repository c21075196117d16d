import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type AgentConfig, type LoadedConfig, parseConfig } from "#src/agent/config.ts";
import { changeConfig } from "#src/agent/config-change.ts";
import { ConfigError } from "#src/agent/config-problem.ts";
import { configSchema } from "#src/agent/config-schema.ts";
import { configEntries } from "#src/agent/config-view.ts";

const TLS = '[tls]\ncert = "c"\nkey = "k"\nca = "a"\n[limits]\n';

function load(toml: string, environment: Readonly<Record<string, string>> = {}): LoadedConfig {
  return parseConfig(`${TLS}${toml}`, "/srv/microedge.toml", {
    environment,
    root: false,
    nowMs: () => Date.UTC(2026, 5, 1),
  });
}

function limits(toml: string, environment?: Readonly<Record<string, string>>) {
  return load(toml, environment).config.limits;
}

function problems(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.map(({ key, message, line }) => `${line ?? "-"} ${key} ${message}`);
  }
  return [];
}

suite("[limits]: what is right", () => {
  test("nothing said: calls are as many as may be, failed handshakes are not", () => {
    const { failedHandshakes, perAddress, perPeer, agent, perEndpoint, maxCallsPerPeer } =
      limits("");
    assert.deepEqual(failedHandshakes, { rate: 10, burst: 100, waitMs: 0 });
    assert.deepEqual([perAddress, perPeer, agent], [undefined, undefined, undefined]);
    assert.deepEqual([perEndpoint, maxCallsPerPeer], [[], 0]);
  });

  test("the example of the documentation", () => {
    const { perAddress, perPeer, perEndpoint, maxConnections, memoryLimitMib } = limits(
      `per_address = { rate = 50, burst = 100 }
per_peer = { rate = 20, burst = 40 }
per_endpoint = [ { endpoint = "microedge/Agent.Echo", rate = 10, burst = 10, wait_ms = 0 } ]
max_connections = 200
memory_limit_mib = 64
`,
    );
    assert.deepEqual(perAddress, { rate: 50, burst: 100, waitMs: 0 });
    assert.deepEqual(perPeer, { rate: 20, burst: 40, waitMs: 0 });
    const endpoint = "microedge/Agent.Echo";
    assert.deepEqual(perEndpoint, [{ endpoint, rate: 10, burst: 10, waitMs: 0 }]);
    assert.deepEqual([maxConnections, memoryLimitMib], [200, 64]);
  });

  const spellings: readonly {
    toml: string;
    environment?: Readonly<Record<string, string>>;
    key: keyof AgentConfig["limits"];
    value: unknown;
    why: string;
  }[] = [
    {
      toml: "per_peer = { rate = 0.1, burst = 5, wait_ms = 250 }",
      key: "perPeer",
      value: { rate: 0.1, burst: 5, waitMs: 250 },
      why: "one call in ten seconds, and calls wait",
    },
    { toml: 'failed_handshakes = "off"', key: "failedHandshakes", value: undefined, why: "off" },
    {
      toml: "",
      environment: { MICROEDGE_LIMITS_PER_PEER: "{ rate = 5, burst = 6 }" },
      key: "perPeer",
      value: { rate: 5, burst: 6, waitMs: 0 },
      why: "a variable is spelled like the file",
    },
    {
      toml: "per_address = { rate = 1, burst = 1 }",
      environment: { MICROEDGE_LIMITS_PER_ADDRESS: "off" },
      key: "perAddress",
      value: undefined,
      why: "a variable switches off what the file has",
    },
    {
      toml: "",
      environment: {
        MICROEDGE_LIMITS_PER_PEER_ENDPOINT: '[{ endpoint = "a/B.C", rate = 1, burst = 2 }]',
      },
      key: "perPeerEndpoint",
      value: [{ endpoint: "a/B.C", rate: 1, burst: 2, waitMs: 0 }],
      why: "lists too",
    },
    {
      toml: '[[limits.per_endpoint]]\nendpoint = "a/B.C"\nrate = 1\nburst = 2\n',
      key: "perEndpoint",
      value: [{ endpoint: "a/B.C", rate: 1, burst: 2, waitMs: 0 }],
      why: "tables of their own are the same as inline ones",
    },
  ];
  for (const { toml, environment, key, value, why } of spellings) {
    test(why, () => assert.deepEqual(limits(toml, environment)[key], value));
  }

  test("is shown as it is written", () => {
    const { settings, ...rest } = load(
      'per_peer = { rate = 2.5, burst = 5, wait_ms = 9 }\nper_endpoint = [{ endpoint = "a/B.C", rate = 1, burst = 2 }]',
    );
    const shown = Object.fromEntries(
      configEntries({ settings, ...rest }).map(({ key, value }) => [key, value]),
    );
    assert.equal(shown["limits.per_peer"], "{ rate = 2.5, burst = 5, wait_ms = 9 }");
    assert.equal(shown["limits.failed_handshakes"], "{ rate = 10, burst = 100 }");
    assert.deepEqual(shown["limits.per_endpoint"], ["a/B.C: rate = 1, burst = 2"]);
  });

  test("its JSON Schema has defaults that it allows itself", () => {
    const { properties } = configSchema().properties?.["limits"] ?? {};
    assert.deepEqual(properties?.["failed_handshakes"]?.["default"], { rate: 10, burst: 100 });
    assert.deepEqual(properties?.["per_endpoint"]?.["default"], []);
  });
});

suite("[limits]: what is wrong is said", () => {
  const wrong = [
    { toml: "per_peer = { rate = 0, burst = 1 }", says: /rate is zero/, why: "zero" },
    { toml: "per_peer = { rate = -1, burst = 1 }", says: /rate is negative/, why: "negative" },
    { toml: "per_peer = { rate = nan, burst = 1 }", says: /rate is below/, why: "not a number" },
    { toml: "per_peer = { rate = inf, burst = 1 }", says: /rate is above 100000/, why: "infinite" },
    { toml: "per_peer = { rate = 1, burst = 0 }", says: /burst is zero/, why: "no burst at all" },
    {
      toml: "per_peer = { rate = 1, burst = -3 }",
      says: /burst is negative/,
      why: "less than none",
    },
    {
      toml: "per_peer = { rate = 1, burst = 1.5 }",
      says: /burst is a decimal/,
      why: "half a call",
    },
    { toml: "per_peer = { rate = 200_000, burst = 1 }", says: /rate is above/, why: "too fast" },
    { toml: "per_peer = { rate = 1, burst = 2_000_000 }", says: /burst is above/, why: "too many" },
    { toml: "per_peer = { rate = 1, burst = 90_000 }", says: /more than a day/, why: "a quota" },
    { toml: "per_peer = { rate = 1 }", says: /burst is missing/, why: "half a limit" },
    { toml: "per_peer = { rate = 1, brust = 1 }", says: /did you mean burst/, why: "a slip" },
    { toml: "per_peer = 20", says: /it is a whole number/, why: "a number alone" },
    { toml: 'per_peer = "on"', says: /it is a string/, why: "not a word that means anything" },
    {
      toml: "per_address = { rate = 1, burst = 1, wait_ms = 5 }",
      says: /"wait_ms" is not a member/,
      why: "connections can't wait",
    },
    {
      toml: "per_peer = { rate = 1, burst = 1, wait_ms = 60_001 }",
      says: /wait_ms is above 60000/,
      why: "a wait without end",
    },
    {
      toml: 'per_endpoint = [{ endpoint = "a/B.C", rate = 1, burst = 1 }, { endpoint = "B.C", rate = 1, burst = 1 }]',
      says: /item 2: endpoint is not of the form "service\/Handler.Method"/,
      why: "an endpoint without its service",
    },
    {
      toml: 'per_endpoint = [{ endpoint = "a/B.C", rate = 1, burst = 1 }, { endpoint = "a/B.C", rate = 2, burst = 1 }]',
      says: /item 2: a\/B.C stands there twice/,
      why: "two limits for one endpoint",
    },
    {
      toml: "per_endpoint = [{ rate = 1, burst = 1 }]",
      says: /item 1: endpoint is missing/,
      why: "a limit for nobody",
    },
    { toml: "tracked_peers = 0", says: /from 16 to 262144/, why: "an empty table" },
    { toml: "tracked_addresses = 262_145", says: /from 16 to 262144/, why: "above the table" },
    { toml: "max_calls = 0", says: /from 1 to/, why: "an agent without calls" },
    { toml: "max_calls_per_peer = -1", says: /from 0 to/, why: "fewer than none" },
    { toml: "memory_limit_mib = 16", says: /from 32 to/, why: "less than Node.js needs" },
  ];
  for (const { toml, says, why } of wrong) {
    test(why, () => {
      const found = problems(() => load(toml));
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", says);
      assert.match(found[0] ?? "", /^6 limits\./, "at its line");
    });
  }

  test("a variable that is no TOML", () => {
    const found = problems(() => load("", { MICROEDGE_LIMITS_PER_PEER: "20/s" }));
    assert.match(
      found.join("\n"),
      /^- MICROEDGE_LIMITS_PER_PEER must be \{ rate, burst, wait_ms \}/,
    );
  });

  test("every problem at once", () => {
    const found = problems(() =>
      load("per_peer = { rate = 0, burst = 1 }\nagent = { rate = 1, burst = 0 }"),
    );
    assert.equal(found.length, 2);
  });
});

test("[limits]: rates are live, the size of tables is not", () => {
  const { applied, needRestart } = changeConfig(
    load("per_peer = { rate = 1, burst = 1 }\ntracked_peers = 100"),
    load("per_peer = { rate = 2, burst = 1 }\ntracked_peers = 200"),
  );
  assert.deepEqual([applied, needRestart], [["limits.per_peer"], ["limits.tracked_peers"]]);
});

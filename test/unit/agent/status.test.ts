import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseConfig } from "#src/agent/config.ts";
import {
  agentState,
  countersView,
  listenerView,
  statusWarnings,
  tlsView,
  trustView,
  type WarningSources,
} from "#src/agent/status.ts";
import type { ExpiryReading } from "#src/identity/time/expiry-reading.ts";
import { ClientCounters } from "#src/rpc/client/counters.ts";
import { ServerCounters } from "#src/rpc/server/server-counters.ts";
import { IntakeCounters } from "#src/transport/intake-counters.ts";
import { LIMITS } from "../../fakes/admin-operations.ts";

const NOW = Date.UTC(2026, 5, 1);
const TLS = '[tls]\ncert = "c"\nkey = "k"\nca = "a"\n';
const clientStatus = (resting: WarningSources["client"]["resting"] = []) =>
  new ClientCounters().status({ streamsOpen: 0, pools: [], resting });

function config(toml: string, environment: Readonly<Record<string, string>> = {}) {
  return parseConfig(toml, "/srv/microedge.toml", { environment, root: false, nowMs: () => NOW });
}

function ending(level: ExpiryReading["level"]): ExpiryReading {
  return {
    ...{ role: "leaf", subject: "CN=roof", serial: "01", fingerprint: "00", level },
    ...{ notBefore: NOW - 81 * 86_400_000, notAfter: NOW + 9 * 86_400_000, leftMs: 9 * 86_400_000 },
    words: 'WARNING: "CN=roof" ends in 9 days',
    fix: level === "good" ? undefined : "renew it",
  };
}

suite("state", () => {
  const listening = { kind: "listening", address: "127.0.0.1:1" } as const;
  const waiting = { kind: "waiting", reason: "no such address", attempts: 3 } as const;
  const rows = [
    { phase: "starting", listener: { kind: "stopped" }, state: "starting" },
    { phase: "running", listener: listening, state: "ready" },
    { phase: "running", listener: waiting, state: "waiting" },
    { phase: "draining", listener: { kind: "stopped" }, state: "draining" },
    { phase: "draining", listener: waiting, state: "draining" },
  ] as const;
  for (const { phase, listener, state } of rows) {
    test(`${phase}, listener ${listener.kind}: ${state}`, () =>
      assert.equal(agentState(phase, listener), state));
  }
  test("a listener that waits says for what", () =>
    assert.deepEqual(listenerView("10.0.0.1:1", waiting), {
      address: "10.0.0.1:1",
      listen: undefined,
      waitingFor: "no such address",
    }));
});

suite("how peers are verified", () => {
  const observe = `${TLS}verify = "observe"\nobserve_until = 2026-06-30`;
  const rows = [
    { toml: TLS, at: NOW, verify: "enforce" },
    { toml: observe, at: NOW, verify: "observe" },
    { toml: observe, at: Date.UTC(2026, 6, 1), verify: "enforce" },
    { toml: `${TLS}insecure_skip_verify = true`, at: NOW, verify: "insecure" },
    { toml: "[rpc]\ninsecure_plaintext = true", at: NOW, verify: "plaintext" },
  ];
  for (const { toml, at, verify } of rows) {
    test(`${verify} at ${new Date(at).toISOString()}`, () =>
      assert.equal(tlsView(config(toml).config, undefined, at).verify, verify));
  }
});

suite("warnings", () => {
  const warnings = (
    toml: string,
    environment: Readonly<Record<string, string>> = {},
    more: Partial<WarningSources> = {},
  ): readonly string[] => {
    const loaded = config(toml, environment);
    return statusWarnings({
      nowMs: NOW,
      config: loaded.config,
      configWarnings: loaded.warnings,
      material: undefined,
      client: clientStatus(),
      reloadRefused: undefined,
      needRestart: [],
      ...more,
    });
  };
  test("none when all is well", () => assert.deepEqual(warnings(TLS), []));

  const rows = [
    { said: /^INSECURE: no peer is verified/, toml: `${TLS}insecure_skip_verify = true` },
    { said: /^INSECURE: outbound peers/, toml: TLS, env: { MICRO_TLS_INSECURE: "true" } },
    { said: /^TLS 1\.2 is allowed/, toml: `${TLS}minVersion = "1.2"` },
    {
      said: /^peers are only observed, not enforced, until 2026-06-30/,
      toml: `${TLS}verify = "observe"\nobserve_until = 2026-06-30`,
    },
    {
      said: /^observing ended on 2026-06-30.*: peers are enforced; set tls\.verify = "enforce"$/,
      toml: `${TLS}verify = "observe"\nobserve_until = 2026-06-30`,
      more: { nowMs: Date.UTC(2026, 6, 1) },
    },
    { said: /^MICROEDGE_NONE is not a variable/, toml: TLS, env: { MICROEDGE_NONE: "1" } },
    { said: /^the last reload was refused: why/, toml: TLS, more: { reloadRefused: "why" } },
    { said: /^changed keys wait for a restart: a\.b$/, toml: TLS, more: { needRestart: ["a.b"] } },
    {
      said: /^node a:1 failed 3 times in a row and rests 2 s$/,
      toml: TLS,
      more: { client: clientStatus([{ address: "a:1", failures: 3, restMs: 1_500 }]) },
    },
    {
      said: /^WARNING: "CN=roof" ends in 9 days; renew it$/,
      toml: TLS,
      more: { expiry: [ending("warn"), ending("good")] },
    },
    {
      said: /^tls\.key: other users may read/,
      toml: TLS,
      more: {
        material: {
          leaf: undefined,
          warnings: ["tls.key: other users may read"],
          refusal: undefined,
        },
      },
    },
  ];
  for (const { said, toml, env, more } of rows) {
    test(String(said), () => {
      const found = warnings(toml, env, more);
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", said);
    });
  }
});

test("counters name each cause", () => {
  const server = new ServerCounters();
  server.requests = 5;
  server.refuse("ERR_ACL_DENIED");
  server.refuseMessage("ERR_WIRE_MESSAGE");
  const intake = new IntakeCounters();
  intake.count("peersRefused", "expired");
  intake.count("peersRefused", "expired");
  intake.count("peersRefused", "wrong-name");
  const counts = countersView(server, intake, clientStatus(), LIMITS);
  assert.equal(counts["calls"], 5);
  assert.equal(counts["calls_refused:ERR_ACL_DENIED"], 1);
  assert.equal(counts["messages_refused:ERR_WIRE_MESSAGE"], 1);
  assert.equal(counts["peers_refused"], 3);
  assert.equal(counts["peers_refused:expired"], 2);
  assert.equal(counts["peers_refused:wrong-name"], 1);
  assert.equal(counts["limited:per_endpoint"], 5);
  assert.equal(counts["limited:failed_handshakes"], 12);
  assert.equal(counts["limited:max_calls"], 0);
});

suite("the authorities that we trust", () => {
  test("how many, and when the first and the last of them end", () => {
    const ends = (role: ExpiryReading["role"], notAfter: number): ExpiryReading => {
      return { ...ending("good"), role, notAfter };
    };
    const readings = [ends("leaf", 1), ends("anchor", 30), ends("anchor", 20), ends("anchor", 25)];
    assert.deepEqual(trustView(readings), { anchors: 3, firstEndsAt: 20, lastEndsAt: 30 });
  });
  test("none", () =>
    assert.deepEqual(trustView([]), {
      anchors: 0,
      firstEndsAt: undefined,
      lastEndsAt: undefined,
    }));
});

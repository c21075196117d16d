/**
 * Commands that need this device's certificate, on the built program, where it is in a store: the agent
 * does it while it runs, the command itself while it does not.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type AgentProcess, BUNDLE, startAgent } from "../fakes/agent-process.ts";
import { type Ended, run } from "../fakes/child.ts";

/** Demands client certificates of the same authority. */
let peer: AgentProcess;
let device: AgentProcess;
before(async () => {
  peer = await startAgent();
  const credentials = await peer.site.issue("device-7");
  device = await startAgent({ inStore: true, credentials });
});
after(async () => {
  await device[Symbol.asyncDispose]();
  await peer[Symbol.asyncDispose]();
});

interface Row {
  readonly why: string;
  readonly args: () => readonly string[];
  readonly stdin?: string;
  readonly code: number;
  readonly says: RegExp;
}

const rows: readonly Row[] = [
  {
    why: "a probe shows the store's certificate",
    args: () => ["tls", "probe", peer.listen],
    code: 0,
    says: /demands a client certificate and takes ours/,
  },
  {
    why: "a probe of nothing says so",
    args: () => ["tls", "probe", "127.0.0.1:1", "--timeout", "2s"],
    code: 1,
    says: /fail .*\[tcp\]/,
  },
  {
    why: "a call to an address",
    args: () => ["call", "microedge", "Agent.Echo", '{"text":"hi"}', "--address", peer.listen],
    code: 0,
    says: /^\{"text":"hi"\}$/m,
  },
  {
    why: "the name to expect goes along",
    args: () => [
      ...["call", "microedge", "Agent.Echo", "--address", peer.listen],
      ...["--server-name", "other.example"],
    ],
    code: 1,
    says: /other\.example/,
  },
  {
    why: "a stream to an address",
    args: () => ["call", "microedge", "Agent.EchoStream", "--stream", "--address", peer.listen],
    stdin: '{"text":"a"}\n{"text":"b"}\n',
    code: 0,
    says: /^\{"text":"a"\}\n\{"text":"b"\}$/m,
  },
  {
    why: "a certificate file is judged by the trust bundle of the store",
    args: () => ["acl", "explain", `${peer.site.directory}/device-7.crt`, "microedge/Agent.Echo"],
    code: 0,
    says: /^allowed/m,
  },
];

function all({ code, stdout, stderr }: Ended): string {
  return `exit ${code}\n${stdout}${stderr}`;
}

for (const way of ["agent runs", "agent stopped"] as const) {
  suite(`with a certificate store, the ${way}`, () => {
    const config: { path?: string; directory?: string } = {};
    before(async () => {
      if (way === "agent stopped") await device.child.stop();
      config.path = device.configPath;
    });
    for (const { why, args, stdin, code, says } of rows) {
      test(why, async () => {
        const words = [...args(), "--config", String(config.path)];
        const ended = await run([BUNDLE, ...words], stdin === undefined ? {} : { stdin });
        assert.equal(ended.code, code, all(ended));
        assert.match(`${ended.stdout}${ended.stderr}`, says);
      });
    }
  });
}

test("a certificate of another authority is no peer, by the store's trust bundle", async () => {
  const stranger = await startAgent();
  try {
    const file = `${stranger.site.directory}/microedge.crt`;
    const ended = await device.microedge("acl", "explain", file, "microedge/Agent.Echo");
    assert.equal(ended.code, 1, all(ended));
    assert.match(ended.stdout, /^denied/m);
  } finally {
    await stranger.stop();
  }
});

interface Checked {
  readonly checks: readonly {
    readonly id: string;
    readonly result: string;
    reason: string;
    fix?: string;
  }[];
}

suite("doctor, with a certificate store", () => {
  const reasons = async (config: string, ...args: readonly string[]) => {
    const { stdout } = await run([BUNDLE, "doctor", "--json", "--config", config, ...args]);
    const { checks } = JSON.parse(stdout) as Checked;
    return new Map(checks.map(({ id, result, reason }) => [id, `${result}: ${reason}`]));
  };

  test("judges a stopped agent's, and finds only that it does not run", async () => {
    const found = await reasons(device.configPath);
    const failed = [...found].filter(([, words]) => words.startsWith("fail"));
    assert.deepEqual(
      failed.map(([id]) => id),
      ["agent.alive"],
    );
    assert.match(String(found.get("cert.key-match")), /^ok: it does; ecdsa-p256, sealed in/);
    assert.match(String(found.get("identity.state")), /^warn: UNPROVEN: /);
    assert.match(String(found.get("store.reserve")), /^ok: /);
  });

  test("judges a running agent's, through the agent", async () => {
    await using other = await startAgent({ inStore: true });
    const found = await reasons(other.configPath);
    const failed = [...found].filter(([, words]) => words.startsWith("fail"));
    assert.deepEqual(failed, []);
    assert.match(String(found.get("tls.files")), /^ok: generation 1 of /);
    assert.match(String(found.get("cert.chain")), /^ok: up to "CN=Test CA"/);
    assert.match(String(found.get("listener.reachable")), /^ok: .* over mutual TLS/);
    await other.stop();
    const refused = other.log().filter(({ event }) => event === "peer.refused");
    assert.deepEqual(refused, [], "the look itself is nobody's attack");
  });

  test("says what another process does to the store, and what to do", async () => {
    await using other = await startAgent({ inStore: true });
    const text = `[store]\ndir = "store"\n[control]\nsocket = "another.sock"\n`;
    const config = await other.site.write("another.toml", text);
    const { stdout } = await run([BUNDLE, "doctor", "--json", "--config", config]);
    const { checks } = JSON.parse(stdout) as Checked;
    const usable = checks.find(({ id }) => id === "store.usable");
    assert.equal(usable?.result, "fail");
    assert.match(usable?.reason ?? "", /is in use by process \d+$/);
    assert.match(usable?.fix ?? "", /another microedge uses this store; stop it/);
  });

  test("names an empty store, and what to type", async () => {
    const config = await peer.site.write(
      "empty.toml",
      '[store]\ndir = "empty-store"\n[control]\nsocket = "empty.sock"\n',
    );
    const found = await reasons(config);
    assert.match(String(found.get("tls.files")), /^fail: the certificate store is empty/);
    assert.match(String(found.get("cert.dates")), /^skipped: /);
  });
});

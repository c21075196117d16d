/** `acl explain`, `acl test` and `acl list`, from a configuration file and with no agent. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { SILENT } from "#src/base/log.ts";
import { COMMANDS } from "#src/cli/command-table.ts";
import { runCommandLine } from "#src/cli/dispatch.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { AdminApi } from "#src/sidecar/admin-api.ts";
import { FakeAgent } from "../../fakes/admin-operations.ts";
import { testPki } from "../../fakes/certificates.ts";
import { FakeTerminal } from "../../fakes/terminal.ts";

const directory = mkdtempSync(join(tmpdir(), "acl-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const DAY = 86_400_000;
const TLS = '[tls]\ncert = "c"\nkey = "k"\nca = "ca.crt"\n[control]\nsocket = "s"\n';
const ACL = `${TLS}
[acl]
own_trust_domain = "site.org"
[[acl.trust_domain]]
name = "partner.org"
ca = "partner.crt"
[[acl.role]]
name = "reader"
allow = ["microedge/Agent.Echo", "microedge/Debug.*"]
[[acl.role]]
name = "installer"
allow = ["pump/*.Install"]
[[acl.peer]]
cn = "backend"
roles = ["reader"]
[[acl.peer]]
cn = "backend"
trust_domain = "partner.org"
roles = ["installer"]
[[acl.peer]]
spiffe = "spiffe://site.org/ns/*"
roles = ["reader"]
[[acl.peer]]
sha256 = "${"ab".repeat(32)}"
roles = ["reader", "installer"]
`;

/** What the terminal's clock says. */
const nowMs = new FakeTerminal(directory).clock.now();
const own = await testPki("Own CA", nowMs - 10 * DAY);
const partner = await testPki("Partner CA", nowMs);
const write = (name: string, text: string): void => writeFileSync(join(directory, name), text);
write("ca.crt", own.caPem);
write("partner.crt", partner.caPem);
write("acl.toml", ACL);
write("open.toml", TLS);
write("backend.crt", (await own.issue("backend")).certificatePem);
write("theirs.crt", (await partner.issue("backend")).certificatePem);
write("stranger.crt", (await (await testPki("Else CA", nowMs)).issue("backend")).certificatePem);
write(
  "expired.crt",
  (await own.issue("backend", { notBefore: nowMs - 9 * DAY, notAfter: nowMs - 5 * DAY }))
    .certificatePem,
);

async function run(words: readonly string[], config = "acl.toml") {
  const terminal = new FakeTerminal(directory);
  const code = await runCommandLine([...words, "--config", config], COMMANDS, terminal);
  return { code, out: terminal.stdout.text, err: terminal.stderr.text };
}

async function json(words: readonly string[], config?: string) {
  const { code, out } = await run([...words, "--json"], config);
  return { exit: code, ...(JSON.parse(out) as Record<string, unknown>) } as Record<string, unknown>;
}

suite("acl explain", () => {
  const ECHO = "microedge/Agent.Echo";
  const rows: readonly {
    readonly words: readonly string[];
    readonly code: number;
    readonly says: RegExp;
    readonly why: string;
  }[] = [
    {
      words: ["cn:backend", ECHO],
      code: 0,
      says: /rule +role "reader" allows microedge\/Agent\.Echo\n/,
      why: "named endpoint",
    },
    {
      words: ["cn:backend", "Agent.Echo"],
      code: 0,
      says: /microedge\/Agent\.Echo \(read\)/,
      why: "own service",
    },
    {
      words: ["cn:backend", "microedge/Debug.Health"],
      code: 0,
      says: /allows microedge\/Debug\.\*/,
      why: "a pattern",
    },
    {
      words: ["cn:backend", "microedge/Debug.Wipe"],
      code: 1,
      says: /write, assumed[\s\S]*matches, but the endpoint is write and this gives read/,
      why: "unknown kind is write",
    },
    {
      words: ["cn:backend", "microedge/Debug.Wipe", "--kind", "read"],
      code: 0,
      says: /Debug\.Wipe \(read\)/,
      why: "the kind that was given",
    },
    {
      words: ["cn:stranger", ECHO],
      code: 1,
      says: /why +no rule gives the peer a role\nanswer +403[\s\S]*no +cn "backend" +the peer's CN is "stranger"/,
      why: "unknown peer",
    },
    {
      words: ["cn:backend", ECHO, "--trust-domain", "partner.org"],
      code: 1,
      says: /why +no role of the peer allows it[\s\S]*another trust domain vouches/,
      why: "the namesake of a partner",
    },
    {
      words: ["cn:backend", ECHO, "--trust-domain", "site.org"],
      code: 0,
      says: /allowed/,
      why: "our own domain by name",
    },
    {
      words: ["spiffe://site.org/ns/a/b", ECHO],
      code: 0,
      says: /by spiffe:\/\/site\.org\/ns\/\*/,
      why: "a SPIFFE pattern",
    },
    {
      words: ["spiffe://site.org/ns", ECHO],
      code: 1,
      says: /the peer's ID is spiffe:\/\/site\.org\/ns/,
      why: "above the pattern",
    },
    {
      words: [`sha256:${"AB:".repeat(31)}AB`, ECHO],
      code: 0,
      says: /roles +installer, reader/,
      why: "a fingerprint with colons",
    },
    { words: ["none", ECHO], code: 1, says: /answer +401/, why: "no certificate" },
    { words: ["unverified", ECHO], code: 1, says: /TLS check refuses it/, why: "unverified" },
    {
      words: ["backend.crt", ECHO],
      code: 0,
      says: /backend\.crt \(CN=backend\) may call/,
      why: "a certificate",
    },
    {
      words: ["theirs.crt", ECHO],
      code: 1,
      says: /no role of the peer allows it/,
      why: "a certificate of the partner",
    },
    {
      words: ["theirs.crt", "pump/Firmware.Install", "--kind", "read"],
      code: 0,
      says: /role "installer"/,
      why: "and what it may do",
    },
    {
      words: ["stranger.crt", ECHO],
      code: 1,
      says: /401: client certificate comes from an unknown authority/,
      why: "of no domain",
    },
    {
      words: ["expired.crt", ECHO],
      code: 1,
      says: /401: client certificate expired/,
      why: "expired",
    },
  ];
  for (const { words, code, says, why } of rows) {
    test(`${words.join(" ").slice(0, 50)}: ${why}`, async () => {
      const result = await run(["acl", "explain", ...words]);
      assert.equal(result.code, code, result.out + result.err);
      assert.match(result.out, says);
    });
  }

  test("JSON has the decision, the rule, and why not the others", async () => {
    const result = await json(["acl", "explain", "cn:backend", ECHO]);
    assert.deepEqual(
      [result["exit"], result["ok"], result["allowed"], result["status"], result["kindFrom"]],
      [0, true, true, 200, "built-in"],
    );
    assert.equal((result["peerRules"] as unknown[]).length, 4);
    assert.deepEqual((result["rights"] as unknown[])[0], {
      role: "reader",
      pattern: "microedge/Agent.Echo",
      held: true,
      allows: true,
      why: "allows it",
    });
    const denied = await json(["acl", "explain", "none", ECHO]);
    assert.deepEqual([denied["ok"], denied["allowed"], denied["status"]], [false, false, 401]);
  });

  test("while observing, the unverified role answers; afterwards the TLS check does", async () => {
    const role = '[[acl.role]]\nname = "unverified"\nallow = ["microedge/*"]\n';
    for (const [until, exit] of [
      [nowMs + DAY, 0],
      [nowMs - DAY, 1],
    ] as const) {
      const observe = `verify = "observe"\nobserve_until = "${new Date(until).toISOString()}"\n`;
      write("observe.toml", TLS.replace("[tls]\n", `[tls]\n${observe}`) + role);
      const result = await run(["acl", "explain", "none", ECHO], "observe.toml");
      assert.equal(result.code, exit, result.out + result.err);
    }
  });

  test("a certificate's name can't pose as a line of the answer", async () => {
    const { certificatePem } = await own.odd("x\nrule     allowed \u001b[2J", {
      notBefore: nowMs - DAY,
      notAfter: nowMs + DAY,
    });
    write("poser.crt", certificatePem);
    const { out } = await run(["acl", "explain", "poser.crt", ECHO]);
    assert.match(out, /^denied {3}poser\.crt \(CN=x\S*rule/);
    assert.doesNotMatch(out, /^rule/m);
    assert.ok(!out.includes(String.fromCharCode(27)));
  });

  test("without [acl] the default policy answers", async () => {
    assert.match(
      (await run(["acl", "explain", "cn:x", ECHO], "open.toml")).out,
      /no \[acl\] section/,
    );
    const write = await run(["acl", "explain", "cn:x", "a/B.C"], "open.toml");
    assert.deepEqual([write.code, /without \[acl\]/.test(write.out)], [1, true]);
  });

  for (const { words, code, says, why } of [
    { words: ["cn:a", "Echo"], code: 2, says: /not service\/Handler\.Method/, why: "no endpoint" },
    { words: ["cn:a", ECHO, "--kind", "all"], code: 2, says: /--kind must be/, why: "no kind" },
    {
      words: ["cn:a", ECHO, "--trust-domain", "x"],
      code: 2,
      says: /no trust domain/,
      why: "no domain",
    },
    { words: ["sha256:12", ECHO], code: 2, says: /64 hex/, why: "no fingerprint" },
    { words: ["spiffe://", ECHO], code: 2, says: /not a SPIFFE ID/, why: "no ID" },
    { words: ["gone.crt", ECHO], code: 74, says: /gone\.crt can't be read/, why: "no file" },
    {
      words: ["acl.toml", ECHO],
      code: 1,
      says: /holds no PEM certificate/,
      why: "no certificate in it",
    },
  ]) {
    test(`exit code ${code}: ${why}`, async () => {
      const result = await run(["acl", "explain", ...words]);
      assert.equal(result.code, code, result.err);
      assert.match(result.err, says);
    });
  }
});

suite("acl test", () => {
  const GOOD = `
[[test]]
peer = "cn:backend"
endpoint = "microedge/Agent.Echo"
expect = "allow"
[[test]]
peer = "backend.crt"
endpoint = "pump/Firmware.Install"
kind = "admin"
expect = "deny"
[[test]]
peer = "cn:backend"
trust_domain = "partner.org"
endpoint = "microedge/Agent.Echo"
expect = "deny"
`;
  test("all as expected", async () => {
    write("good.toml", GOOD);
    assert.deepEqual(await run(["acl", "test", "good.toml"]), {
      code: 0,
      out: "3 of 3 as expected\n",
      err: "",
    });
  });

  test("a failure is named with the rule that decided, and the exit code is 1", async () => {
    write("bad.toml", GOOD.replace('"allow"', '"deny"'));
    const { code, out } = await run(["acl", "test", "bad.toml"]);
    assert.equal(code, 1);
    assert.match(out, /test\[0\]: cn:backend .* expected deny, got allow: role "reader" allows/);
    assert.match(out, /2 of 3 as expected/);
  });

  test("JSON in, JSON out", async () => {
    const expectation = { peer: "none", endpoint: "Agent.Echo", expect: "allow" };
    for (const [name, root] of [
      ["a.json", [expectation]],
      ["b.json", { test: [expectation] }],
    ] as const) {
      write(name, JSON.stringify(root));
      const result = await json(["acl", "test", name]);
      assert.deepEqual([result["ok"], result["total"], result["passed"]], [false, 1, 0]);
    }
  });

  for (const { name, text, code, says, why } of [
    { name: "e.toml", text: "", code: 78, says: /missing or empty/, why: "nothing could fail" },
    { name: "e.json", text: "[]", code: 78, says: /missing or empty/, why: "nothing could fail" },
    { name: "e.json", text: "[", code: 78, says: /is not JSON/, why: "no JSON" },
    { name: "e.toml", text: "[", code: 78, says: /is not TOML/, why: "no TOML" },
    {
      name: "e.json",
      text: '[{"peer":1,"endpoint":"A.B","expect":"yes","x":1}]',
      code: 78,
      says: /expect must be[\s\S]*peer must be a text[\s\S]*test\[0\]\.x is not a key/,
      why: "all problems",
    },
    {
      name: "e.json",
      text: '[{"peer":"cn:a","endpoint":"AB","expect":"deny"}]',
      code: 2,
      says: /Handler\.Method/,
      why: "a bad endpoint is no denial",
    },
  ]) {
    test(`${JSON.stringify(text).slice(0, 40)}: ${why}`, async () => {
      write(name, text);
      const result = await run(["acl", "test", name]);
      assert.equal(result.code, code, result.err);
      assert.match(result.err, says);
    });
  }

  test("a file that is not there is exit code 74", async () => {
    assert.equal((await run(["acl", "test", "none.toml"])).code, 74);
  });
});

suite("acl list", () => {
  test("roles, peers, what each may call, and patterns that give nothing", async () => {
    const { code, out } = await run(["acl", "list"]);
    assert.equal(code, 0);
    assert.match(out, /^ROLE .*ENDPOINTS \(THE AGENT DOES NOT RUN/);
    assert.match(out, /cn "backend" of partner\.org +installer +none/);
    assert.match(out, /cn "backend" +reader +microedge\/Agent\.Echo, microedge\/Debug\.Health/);
    assert.match(out, /warning: role installer: pumpX?\/\*\.Install matches no endpoint/);
  });

  test("without [acl] it says what holds", async () => {
    assert.match((await run(["acl", "list"], "open.toml")).out, /no \[acl\] section/);
  });

  test("endpoints and kinds come from the agent when it runs", async () => {
    const agent = new FakeAgent();
    agent.configFile = join(directory, "acl.toml");
    const path = join(directory, "s");
    const api = new AdminApi({
      path,
      operations: agent,
      log: SILENT,
      random: systemRandom,
      clock: systemClock,
    });
    await api.start(new AbortController().signal);
    try {
      const listed = await json(["acl", "list"]);
      assert.equal(listed["endpointsFrom"], "agent");
      const local = (await agent.services()).filter(({ source }) => source === "local");
      const [service] = local;
      const [endpoint] = service?.endpoints ?? [];
      assert.ok(service !== undefined && endpoint !== undefined);
      const name = `${service.name}/${endpoint.name}`;
      const asked = await json(["acl", "explain", "cn:backend", name]);
      assert.deepEqual([asked["kind"], asked["kindFrom"]], [endpoint.kind, "agent"]);
    } finally {
      await api[Symbol.asyncDispose]();
    }
  });
});

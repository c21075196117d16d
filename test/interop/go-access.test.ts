/** Unchanged go-micro clients meet the policy of the built program. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { makeSite, type Site } from "../fakes/site.ts";
import { CODECS, GoClient, VERSIONS } from "./go-peer.ts";

const at = (endpoint: string): readonly string[] => [
  "--service",
  "microedge",
  "--endpoint",
  endpoint,
];

/** The contract's own example, and one more peer by SPIFFE ID. */
const POLICY = `
[[acl.peer]]
cn = "backend"
roles = ["reader"]
[[acl.peer]]
spiffe = "spiffe://site.org/ns/*"
roles = ["health"]
[[acl.role]]
name = "reader"
allow = ["microedge/Agent.Echo", "microedge/Debug.*"]
[[acl.role]]
name = "health"
allow = ["microedge/Debug.Health"]
`;

for (const version of VERSIONS) {
  suite(`go-micro ${version} and [acl]`, () => {
    let site: Site;
    let agent: AgentProcess;
    const client = async (name: string, uri: readonly string[] = []): Promise<GoClient> => {
      const sans = { dns: [name], ip: ["127.0.0.1"], uri };
      return new GoClient(version, agent.listen, await site.issue(name, { sans }));
    };
    before(async () => {
      site = await makeSite();
      agent = await startAgent({ site, config: POLICY });
    });
    after(async () => {
      await agent.stop();
      await site[Symbol.asyncDispose]();
    });

    for (const codec of CODECS) {
      test(`${codec}: a reader may call Echo, and reads 403 for the rest`, async () => {
        const backend = await client("backend");
        const as = ["--codec", codec];
        const body = ["--body", '{"text":"hi"}'];
        assert.deepEqual(await backend.reply(...at("Agent.Echo"), ...as, ...body), { text: "hi" });
        const { code, detail } = await backend.error(
          ...at("Agent.EchoStream"),
          ...as,
          "--mode",
          "chat",
        );
        assert.equal(code, 403);
        assert.equal(detail, "Agent.EchoStream needs a role that this peer does not have");
      });
    }

    test("a peer that no rule names reads 403", async () => {
      const { code, detail } = await (await client("stranger")).error(...at("Agent.Echo"));
      assert.equal(code, 403);
      assert.equal(detail, "Agent.Echo needs a role, and this peer has none here");
    });

    test("a peer is known by its SPIFFE ID", async () => {
      const svid = await client("svid", ["spiffe://site.org/ns/pump"]);
      assert.equal((await svid.reply(...at("Debug.Health")))["status"], "ok");
      assert.equal((await svid.error(...at("Agent.Echo"))).code, 403);
    });

    test("acl explain says the same, while the agent runs", async () => {
      const allowed = await agent.microedge("acl", "explain", "cn:backend", "microedge/Agent.Echo");
      assert.deepEqual([allowed.code, allowed.stderr], [0, ""]);
      assert.match(allowed.stdout, /^allowed .*\(read\)/);
      const denied = await agent.microedge("acl", "explain", "cn:stranger", "microedge/Agent.Echo");
      assert.equal(denied.code, 1);
    });

    test("doctor takes a policy that does not name this device for no fault", async () => {
      const { stdout } = await agent.microedge("doctor", "--json");
      const { checks } = JSON.parse(stdout) as {
        checks: readonly { id: string; result: string; reason: string }[];
      };
      const reachable = checks.find(({ id }) => id === "listener.reachable");
      assert.equal(reachable?.result, "ok", reachable?.reason);
      assert.match(reachable?.reason ?? "", /shook hands; \[acl\]/);
    });

    test("a new policy counts from the next call on; the audit log names who was denied", async () => {
      const text = POLICY.replace('cn = "backend"', 'cn = "frontend"');
      const { readFile } = await import("node:fs/promises");
      const old = await readFile(agent.configPath, "utf8");
      await site.write("microedge.toml", old.replace(POLICY, text));
      try {
        assert.equal((await agent.microedge("reload")).code, 0);
        assert.equal((await (await client("backend")).error(...at("Agent.Echo"))).code, 403);
        assert.deepEqual(await (await client("frontend")).reply(...at("Agent.Echo")), {});
        const line = await agent.event(
          "audit.denied",
          ({ peer, endpoint }) => peer === "CN=backend" && endpoint === "Agent.Echo",
        );
        assert.equal(line["rule"], "no rule gives the peer a role");
      } finally {
        await site.write("microedge.toml", old);
        await agent.microedge("reload");
      }
    });
  });
}

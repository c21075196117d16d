/**
 * The built program on probation with real peers: one that refuses the new certificate and takes the
 * old one brings the old one back; one that does not answer brings nothing about.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { testPki } from "../fakes/certificates.ts";
import { Child } from "../fakes/child.ts";
import { FULL } from "../fakes/needs.ts";
import { type CredentialFiles, makeSite, type Site } from "../fakes/site.ts";
import { GoClient, startGoServer } from "./go-peer.ts";

interface Peer extends AsyncDisposable {
  /** "127.0.0.1:PORT" */
  readonly address: string;
  readonly child: Child;
}

/** What `status --json` has under `identity`, as far as it is promised. */
interface Identity {
  readonly generation: number;
  readonly state: string;
  readonly words: string;
  readonly serial: string;
}

/** Peers that trust one authority alone and demand a certificate. */
const PEERS: readonly {
  readonly name: string;
  readonly start: (credentials: CredentialFiles) => Promise<Peer>;
  readonly why: string;
}[] = [
  {
    name: "another agent",
    start: async (credentials) => {
      const agent = await startAgent({ credentials });
      const { listen, child } = agent;
      return { address: listen, child, [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose]() };
    },
    why: "refuses by an answer after the handshake",
  },
  {
    name: "go-micro v5",
    start: (credentials) => startGoServer("v5", credentials),
    why: "refuses by an alert after the client's handshake is done",
  },
  {
    name: "openssl s_server",
    start: async ({ cert, key, ca }) => {
      const child = new Child([
        ...(["openssl", "s_server", "-accept", "127.0.0.1:0", "-tls1_3", "-cert", cert] as const),
        ...["-key", key, "-CAfile", ca, "-Verify", "1", "-verify_return_error"],
      ]);
      const address = await child.waitFor(
        "ACCEPT",
        (line) => /^ACCEPT (127\.0\.0\.1:\d+)/.exec(line)?.[1],
      );
      return { address, child, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
    },
    why: "is what operators try things with",
  },
];

interface Ground extends AsyncDisposable {
  readonly site: Site;
  readonly agent: AgentProcess;
  readonly peer: Peer;
  /** Imports a certificate of an authority that the peer does not know. */
  readonly importForeign: () => Promise<{ readonly code: unknown; readonly said: string }>;
}

/** An agent with a certificate that its probe peer has confirmed. */
async function confirmed(start: (credentials: CredentialFiles) => Promise<Peer>): Promise<Ground> {
  await using opening = new AsyncDisposableStack();
  const site = opening.use(await makeSite());
  const peer = opening.use(await start(await site.issue("peer")));
  const agent = opening.use(
    await startAgent({
      ...{ site, inStore: true },
      config: `[client]\nconnect_timeout_ms = 2000\n[probation]\npeers = ["${peer.address}"]\n`,
    }),
  );
  const foreign = await testPki("Foreign CA");
  const bundle = await site.write("both.crt", site.pki.caPem + foreign.caPem);
  const leaf = await foreign.issue("microedge");
  const cert = await site.write("foreign.crt", leaf.certificatePem);
  const key = await site.write("foreign.key", leaf.keyPem);
  const open = opening.move();
  return {
    ...{ site, agent, peer },
    importForeign: async () => {
      const files = ["--cert", cert, "--key", key, "--ca", bundle];
      const { code, stdout, stderr } = await agent.microedge("cert", "import", ...files);
      return { code, said: stdout + stderr };
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

async function identityOf(agent: AgentProcess): Promise<Identity> {
  const { stdout } = await agent.microedge("status", "--json");
  return JSON.parse(stdout).identity;
}

// Most of it is waiting for the rounds of the duels.
suite("the built program on probation", { concurrency: 4 }, () => {
  for (const { name, start, why } of PEERS) {
    test(`${name} refuses the new and takes the old: ${why}`, { timeout: 120_000 }, async () => {
      await using ground = await confirmed(start);
      const { agent, site } = ground;
      await agent.event("certificate.proven");
      const before = await identityOf(agent);
      assert.deepEqual([before.state, before.generation], ["ACTIVE", 1]);

      const { code, said } = await ground.importForeign();
      assert.equal(code, 0, said);
      assert.match(said, /generation 2 is in force, and no peer has accepted it yet/);
      assert.doesNotMatch(said, /name probe peers/, "there is one");
      const line = await agent.event("certificate.fallback", undefined, 60_000);
      assert.deepEqual(
        [line["generation"], line["failed_generation"], line["durable"], line["serial"]],
        [1, 2, true, before.serial],
      );
      assert.match(JSON.stringify(line["reasons"]), /"code":"peer-refuses-it"/);

      const identity = await identityOf(agent);
      assert.deepEqual(
        [identity.state, identity.generation, identity.serial],
        ["ROLLED_BACK", 1, before.serial],
      );
      assert.match(
        identity.words,
        /^generation 2 failed and generation 1 is in force again: .*took the generation before and not this one, 3 times in a row/,
      );
      const history = await agent.microedge("cert", "history");
      assert.match(history.stdout, /2 +old +bad +import/);
      assert.match(history.stdout, /generation 2: .*\(peer-refuses-it\)/);
      const again = await ground.importForeign();
      assert.equal(again.code, 1, "what failed is not taken again without --force");
      assert.match(again.said, /fell back|taken back|--force/);
      // Who trusts the old authority alone is served again.
      const go = new GoClient("v5", agent.listen, await site.issue("go-peer"));
      const echo = [
        "--service",
        "microedge",
        "--endpoint",
        "Agent.Echo",
        "--body",
        '{"text":"hi"}',
      ];
      assert.equal((await go.reply(...echo))["text"], "hi");
    });
  }

  test("a peer that does not answer proves nothing and takes nothing back", {
    timeout: 180_000,
  }, async () => {
    await using ground = await confirmed((credentials) => startGoServer("v5", credentials));
    const { agent, peer } = ground;
    await agent.event("certificate.proven");
    peer.child.signal("SIGSTOP");
    try {
      assert.equal((await ground.importForeign()).code, 0);
      const line = await agent.event("certificate.unproven", undefined, 60_000);
      assert.equal(line["generation"], 2);
      const { state, generation, words } = await identityOf(agent);
      assert.deepEqual([state, generation], ["UNPROVEN", 2]);
      assert.match(words, /generation 2 is in force, and no peer has accepted it yet: 127/);
    } finally {
      peer.child.signal("SIGCONT");
    }
    assert.equal(agent.log().filter(({ event }) => event === "certificate.fallback").length, 0);
    if (FULL) {
      // The next look finds the peer awake, and that it refuses.
      await agent.event("certificate.fallback", undefined, 90_000);
      assert.equal((await identityOf(agent)).state, "ROLLED_BACK");
    }
  });
});

/**
 * The policy of a running agent: what peers are answered, what a reload changes for connections that
 * are open, and what is written down.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { ConfigError } from "#src/agent/config-problem.ts";
import { type Ground, makeGround } from "../fakes/running-agent.ts";

const RPC = '[rpc]\nlisten = "127.0.0.1:0"\n';
const ECHO_ROLE = '[[acl.role]]\nname = "reader"\nallow = ["microedge/Agent.Echo"]\n';
const peer = (cn: string): string => `[[acl.peer]]\ncn = "${cn}"\nroles = ["reader"]\n`;

interface Answer {
  readonly code: number;
  readonly detail: string;
}

/** One connection, one call after another. */
class Peer implements Disposable {
  readonly #socket: TLSSocket;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
  }

  static async connect(ground: Ground, listen: string | undefined, cn?: string): Promise<Peer> {
    const { pki } = ground.site;
    const leaf = cn === undefined ? undefined : await pki.issue(cn);
    const [host = "", port = ""] = listen?.split(":") ?? [];
    const socket = connect({
      host,
      port: Number(port),
      ca: pki.caPem,
      ...(leaf === undefined ? {} : { cert: leaf.certificatePem, key: leaf.keyPem }),
    });
    socket.on("error", () => socket.destroy());
    await once(socket, "secureConnect");
    return new Peer(socket);
  }

  /** The code of the answer; 200 for a good one. */
  async ask(endpoint: string): Promise<Answer> {
    const lines = [
      "POST / HTTP/1.1",
      "Host: x",
      "Content-Type: application/json",
      "Content-Length: 2",
      "Micro-Service: microedge",
      `Micro-Endpoint: ${endpoint}`,
      "Micro-Id: 1",
    ];
    this.#socket.write(`${lines.join("\r\n")}\r\n\r\n{}`);
    const [chunk] = (await once(this.#socket, "data")) as [Uint8Array];
    const error = /^micro-error: (.*)\r$/im.exec(String(chunk))?.[1];
    return error === undefined ? { code: 200, detail: "" } : (JSON.parse(error) as Answer);
  }

  /** Opens a stream; what comes back on it is collected. */
  openStream(endpoint: string): { readonly texts: string[] } {
    const texts: string[] = [];
    this.#socket.on("data", (chunk) => texts.push(String(chunk)));
    const lines = [
      "POST / HTTP/1.1",
      "Host: x",
      "Content-Type: application/json",
      "Micro-Service: microedge",
      `Micro-Endpoint: ${endpoint}`,
      "Micro-Id: 7",
      "Micro-Stream: s1",
    ];
    for (const body of ["{}", '{"text":"first"}']) {
      this.#socket.write(`${lines.join("\r\n")}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    }
    return { texts };
  }

  /** Resolves with the first thing that comes from now on. */
  async next(): Promise<string> {
    const [chunk] = (await once(this.#socket, "data")) as [Uint8Array];
    return String(chunk);
  }

  async code(endpoint: string): Promise<number> {
    return (await this.ask(endpoint)).code;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

suite("a running agent's policy", () => {
  test("a role gives what it names; the rest is 403, an unknown peer 403, no certificate 401", async () => {
    await using ground = await makeGround(`${RPC}${ECHO_ROLE}${peer("backend")}`);
    await using agent = await ground.start();
    using backend = await Peer.connect(ground, agent.listen, "backend");
    assert.equal(await backend.code("Agent.Echo"), 200);
    const missing = await backend.ask("Debug.Health");
    assert.equal(missing.code, 403);
    assert.equal(missing.detail, "Debug.Health needs a role that this peer does not have");
    assert.equal(await backend.code("Agent.Nothing"), 404);
    using stranger = await Peer.connect(ground, agent.listen, "stranger");
    assert.equal(
      (await stranger.ask("Agent.Echo")).detail,
      "Agent.Echo needs a role, and this peer has none here",
    );
    assert.equal(await stranger.code("Agent.Echo"), 403);
    using nobody = await Peer.connect(ground, agent.listen);
    assert.equal(await nobody.code("Agent.Echo"), 401);
  });

  test("an [acl] section that is empty denies; without one reading is open", async () => {
    await using ground = await makeGround(RPC);
    await using agent = await ground.start();
    using backend = await Peer.connect(ground, agent.listen, "backend");
    assert.equal(await backend.code("Debug.Health"), 200);
    await ground.configure(`${RPC}[acl]\n`);
    assert.deepEqual((await agent.reload()).applied, ["acl"]);
    assert.equal(await backend.code("Debug.Health"), 403);
  });

  test("a reload decides the next call on connections that are open; a bad policy changes nothing", async () => {
    await using ground = await makeGround(`${RPC}${ECHO_ROLE}${peer("backend")}`);
    await using agent = await ground.start();
    using backend = await Peer.connect(ground, agent.listen, "backend");
    using other = await Peer.connect(ground, agent.listen, "other");
    const both = async () => [await backend.code("Agent.Echo"), await other.code("Agent.Echo")];
    assert.deepEqual(await both(), [200, 403]);

    await ground.configure(
      `${RPC}[[acl.role]]\nname = "reader"\nallow = ["nonsense"]\n[[acl.peer]]\ncn = "other"\nroles = ["writer"]\n`,
    );
    await assert.rejects(agent.reload(), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(
        error.problems.map(({ key }) => key),
        ["acl.role[0].allow", "acl.peer[0].roles"],
      );
      return true;
    });
    assert.deepEqual(await both(), [200, 403], "the old policy stays in force");

    await ground.configure(`${RPC}${ECHO_ROLE}${peer("other")}`);
    assert.deepEqual((await agent.reload()).applied, ["acl.peer"]);
    assert.deepEqual(await both(), [403, 200]);
  });

  test("a stream that is open ends when the new policy does not allow it, and only then", async () => {
    const role = '[[acl.role]]\nname = "reader"\nallow = ["microedge/Agent.EchoStream"]\n';
    await using ground = await makeGround(`${RPC}${role}${peer("backend")}${peer("other")}`);
    await using agent = await ground.start();
    using backend = await Peer.connect(ground, agent.listen, "backend");
    using other = await Peer.connect(ground, agent.listen, "other");
    const streams = [backend.openStream("Agent.EchoStream"), other.openStream("Agent.EchoStream")];
    for (const echo of await Promise.all([backend.next(), other.next()])) {
      assert.match(echo, /"first"/);
    }
    const ended = backend.next();
    await ground.configure(`${RPC}${role}${peer("other")}`);
    await agent.reload();
    assert.match(await ended, /Micro-Error: .*"code":403.*this peer has none here/);
    assert.equal(await other.code("Agent.EchoStream"), 400, "the connection of the other is well");
    assert.doesNotMatch(streams[1]?.texts.join("") ?? "", /"code":403/);
  });

  test("observed peers have the role unverified and no other; verified ones don't have it", async () => {
    await using ground = await makeGround(`${RPC}${ECHO_ROLE}${peer("backend")}`);
    const until = new Date(Date.now() + 86_400_000).toISOString();
    const observe = { MICROEDGE_TLS_VERIFY: "observe", MICROEDGE_TLS_OBSERVE_UNTIL: until };
    await using agent = await ground.start(observe);
    const { testPki } = await import("../fakes/certificates.ts");
    const elsewhere = {
      ...ground.site,
      pki: { ...ground.site.pki, issue: (await testPki()).issue },
    };
    using nobody = await Peer.connect(ground, agent.listen);
    using impostor = await Peer.connect({ ...ground, site: elsewhere }, agent.listen, "backend");
    using stranger = await Peer.connect(ground, agent.listen, "stranger");
    const codes = async () => [
      await nobody.code("Agent.Echo"),
      await impostor.code("Agent.Echo"),
      await stranger.code("Agent.Echo"),
    ];
    assert.deepEqual(await codes(), [401, 401, 403]);
    const role = '[[acl.role]]\nname = "unverified"\nallow = ["microedge/Agent.*"]\n';
    await ground.configure(`${RPC}${ECHO_ROLE}${peer("backend")}${role}`);
    await agent.reload();
    assert.deepEqual(await codes(), [200, 200, 403]);
    assert.equal(await nobody.code("Debug.Health"), 401);
  });

  test("a peer without rights can't spend the tokens that others share", async () => {
    const limits = `[limits]
per_endpoint = [{ endpoint = "microedge/Agent.Echo", rate = 1, burst = 5 }]
agent = { rate = 1, burst = 8 }
`;
    await using ground = await makeGround(`${RPC}${limits}${ECHO_ROLE}${peer("backend")}`);
    await using agent = await ground.start();
    using backend = await Peer.connect(ground, agent.listen, "backend");
    using stranger = await Peer.connect(ground, agent.listen, "stranger");
    const denied = [];
    for (let at = 0; at < 12; at += 1) denied.push(await stranger.code("Agent.Echo"));
    assert.deepEqual(new Set(denied), new Set([403]));
    assert.equal(await backend.code("Agent.Echo"), 200);
  });

  test("a pattern that gives nothing is a warning at start and on reload", async () => {
    const unused = '[[acl.role]]\nname = "old"\nallow = ["gone/*.*"]\n';
    await using ground = await makeGround(`${RPC}${unused}`);
    await using agent = await ground.start();
    const warnings = () =>
      ground.log.flatMap((line) => (line.event === "config.warning" ? [line["reason"]] : []));
    assert.deepEqual(warnings(), ['role "old": gone/*.* matches no endpoint that is served']);
    await ground.configure(`${RPC}${unused}${ECHO_ROLE}`);
    await agent.reload();
    assert.equal(warnings().length, 2);
  });

  test("decisions are written down, with counts of what was left out when the agent stops", async () => {
    await using ground = await makeGround(`${RPC}${ECHO_ROLE}${peer("backend")}`);
    const agent = await ground.start();
    {
      await using _ = agent;
      using backend = await Peer.connect(ground, agent.listen, "backend");
      for (let at = 0; at < 3; at += 1) {
        await backend.code("Agent.Echo");
        await backend.code("Debug.Health");
      }
    }
    const lines = ground.log.filter(({ event }) => /^audit\.(allowed|denied)$/.test(event));
    assert.deepEqual(
      lines.map(({ event, endpoint, repeated }) => [event, endpoint, repeated]),
      [
        ["audit.allowed", "Agent.Echo", undefined],
        ["audit.denied", "Debug.Health", undefined],
        ["audit.denied", "Debug.Health", 2],
      ],
    );
    const [allowed] = lines;
    assert.deepEqual(
      [allowed?.["peer"], allowed?.["rule"], allowed?.["roles"], allowed?.["peer_rules"]],
      ["CN=backend", 'role "reader" allows microedge/Agent.Echo', ["reader"], ['cn "backend"']],
    );
    assert.equal((await ground.event("audit.policy"))["peers"], 1);
  });

  test("a new policy is written down, and who reads under it", async () => {
    await using ground = await makeGround(`${RPC}${ECHO_ROLE}${peer("backend")}`);
    await using agent = await ground.start();
    using backend = await Peer.connect(ground, agent.listen, "backend");
    const count = (name: string): number => ground.log.filter(({ event }) => event === name).length;
    await backend.code("Agent.Echo");
    await agent.reload();
    await backend.code("Agent.Echo");
    assert.deepEqual([count("audit.allowed"), count("audit.policy")], [1, 1], "nothing changed");
    await ground.configure(`${RPC}${ECHO_ROLE}${peer("backend")}${peer("other")}`);
    await agent.reload();
    await backend.code("Agent.Echo");
    assert.deepEqual([count("audit.allowed"), count("audit.policy")], [2, 2]);
  });

  test("a partner's bundle: taken on reload, its CN is another than ours, and gone with the policy", async () => {
    await using ground = await makeGround(`${RPC}${ECHO_ROLE}${peer("microedge")}`);
    const { testPki } = await import("../fakes/certificates.ts");
    const partner = await testPki("Partner CA");
    await ground.site.write("partner.crt", partner.caPem);
    const theirs = {
      ...ground,
      site: { ...ground.site, pki: { ...ground.site.pki, issue: partner.issue } },
    };
    await using agent = await ground.start();
    using before = await Peer.connect(theirs, agent.listen, "microedge");
    assert.equal(await before.code("Agent.Echo"), 401);

    const domain = '[[acl.trust_domain]]\nname = "partner.org"\nca = "partner.crt"\n';
    const own = `${RPC}${ECHO_ROLE}${peer("microedge")}`;
    const rule = `[[acl.peer]]\ncn = "pump"\ntrust_domain = "partner.org"\nroles = ["reader"]\n`;
    await ground.configure(`${own}${domain}${rule}`);
    await agent.reload();
    using namesake = await Peer.connect(theirs, agent.listen, "microedge");
    assert.equal(await namesake.code("Agent.Echo"), 403, "our microedge is not theirs");
    using pump = await Peer.connect(theirs, agent.listen, "pump");
    assert.equal(await pump.code("Agent.Echo"), 200);

    await ground.configure(`${own}${domain.replace("partner.crt", "gone.crt")}${rule}`);
    await assert.rejects(agent.reload(), /acl\.trust_domain\[0\]\.ca can't be used: .*gone\.crt/);
    assert.equal(await pump.code("Agent.Echo"), 200, "old policy and bundle stay in force");

    await ground.configure(own);
    await agent.reload();
    assert.equal(
      await pump.code("Agent.Echo"),
      403,
      "no rule, no right, also on an open connection",
    );
    using again = await Peer.connect(theirs, agent.listen, "pump");
    assert.equal(await again.code("Agent.Echo"), 401);
  });
});

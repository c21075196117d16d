/** Unchanged go-micro clients call the agent's own endpoints, over mutual TLS 1.3. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { testPki } from "../fakes/certificates.ts";
import { FULL } from "../fakes/needs.ts";
import { makeSite, type Site } from "../fakes/site.ts";
import { CODECS, GoClient, pairOf, VERSIONS } from "./go-peer.ts";

const ECHO = ["--service", "microedge", "--endpoint", "Agent.Echo"] as const;
const STREAM = ["--service", "microedge", "--endpoint", "Agent.EchoStream"] as const;

/** Sequential calls on one connection; go-micro's own server loses some of 20,000. */
const CALLS = FULL ? 20_000 : 2_000;

/** Enough digits that a double would lose the last one. */
const EXACT = { text: 'é \u{1F600} "quoted" \\ \n', seq: "9007199254740993", data: "AAEC/w==" };

for (const version of VERSIONS) {
  suite(`go-micro ${version} calls the agent`, () => {
    let site: Site;
    let agent: AgentProcess;
    let go: GoClient;
    before(async () => {
      site = await makeSite();
      const credentials = await pairOf(site);
      agent = await startAgent({ site, credentials: credentials.agent });
      go = new GoClient(version, agent.listen, credentials.peer);
    });
    after(async () => {
      await agent.stop();
      await site[Symbol.asyncDispose]();
    });

    for (const codec of CODECS) {
      const as = ["--codec", codec] as const;

      test(`${codec}: a message comes back exactly`, async () => {
        assert.deepEqual(await go.reply(...ECHO, ...as, "--body", JSON.stringify(EXACT)), EXACT);
      });

      test(`${codec}: an empty message comes back empty`, async () => {
        assert.deepEqual(await go.reply(...ECHO, ...as), {});
      });

      test(`${codec}: 1 MiB of bytes comes back`, async () => {
        const [line] = await go.lines(...ECHO, ...as, "--bytes", "1048576", "--calls", "2");
        assert.deepEqual([line?.lost, line?.failed, line?.wrong], [0, 0, 0], JSON.stringify(line));
      });

      test(`${codec}: a stream in turn`, async () => {
        const lines = await go.lines(...STREAM, ...as, "--mode", "chat", "--calls", "50");
        assert.deepEqual(
          lines.map(({ event, reply }) => [event, reply?.seq ?? "0"]),
          [...Array.from({ length: 50 }, (_, n) => ["message", String(n)]), ["closed", "0"]],
        );
      });

      test(`${codec}: a stream all at once arrives whole and in order`, async () => {
        const flags = ["--mode", "burst", "--calls", "300", "--bytes", "700"] as const;
        const lines = await go.lines(...STREAM, ...as, ...flags);
        const messages = lines.filter(({ event }) => event === "message");
        assert.deepEqual(
          messages.map(({ reply }) => Number(reply?.seq ?? 0)),
          Array.from({ length: 300 }, (_, n) => n),
        );
        assert.equal(new Set(messages.map(({ reply }) => reply?.data)).size, 1);
        assert.equal(lines.at(-1)?.event, "closed");
      });

      test(`${codec}: an unknown method of a known handler is a 404`, async () => {
        const error = await go.error("--service", "microedge", "--endpoint", "Agent.Nope", ...as);
        assert.equal(error.code, 404);
        assert.match(error.detail, /Nope/);
      });

      test(`${codec}: the service of another is a 404`, async () => {
        const error = await go.error("--service", "billing", "--endpoint", "Agent.Echo", ...as);
        assert.equal(error.code, 404);
        assert.match(error.detail, /billing/);
      });
    }

    // A registry node without `protocol=mucp` makes go-micro rewrite its content types.
    for (const [codec, switched] of [
      ["json", "json-rpc"],
      ["proto", "proto-rpc"],
    ]) {
      test(`legacy node: ${codec} goes out as ${switched} and comes back exactly`, async () => {
        const as = ["--codec", String(codec), "--legacy", "--body", JSON.stringify(EXACT)] as const;
        assert.deepEqual(await go.reply(...ECHO, ...as), EXACT);
      });
    }

    test("Debug.Health answers ok", async () => {
      const debug = ["--service", "microedge", "--endpoint", "Debug.Health"] as const;
      assert.deepEqual(await go.reply(...debug), { status: "ok" });
    });

    test("Debug.Stats has go-micro's fields", async () => {
      const debug = ["--service", "microedge", "--endpoint", "Debug.Stats"] as const;
      const stats = await go.reply(...debug);
      for (const name of ["timestamp", "started", "memory", "requests"]) {
        assert.match(String(stats[name]), /^[1-9]\d*$/, `${name} in ${JSON.stringify(stats)}`);
      }
    });

    test("a body above the limit is a 413, and the next call is served", async () => {
      const error = await go.error(...ECHO, "--bytes", "4000000");
      assert.equal(error.code, 413);
      assert.deepEqual(await go.reply(...ECHO, "--body", '{"text":"next"}'), { text: "next" });
    });

    test(`${CALLS} calls on one connection: none lost, none mixed up`, async () => {
      const flags = ["--calls", String(CALLS), "--timeout", "5s", "--bytes", "40"] as const;
      const [line] = await go.lines(...ECHO, ...flags);
      assert.deepEqual([line?.lost, line?.failed, line?.wrong], [0, 0, 0], JSON.stringify(line));
    });

    test("calls on eight connections: none lost, none mixed up", async () => {
      const flags = ["--calls", String(CALLS), "--concurrency", "8", "--bytes", "40"] as const;
      const [line] = await go.lines(...ECHO, ...flags);
      assert.deepEqual([line?.lost, line?.failed, line?.wrong], [0, 0, 0], JSON.stringify(line));
    });

    test("a client of another authority of the same name is refused before its call", async () => {
      const foreign = await makeSite();
      try {
        const stranger = await foreign.issue("stranger");
        const ours = new GoClient(version, agent.listen, {
          ...stranger,
          ca: `${site.directory}/ca.crt`,
        });
        const [line] = await ours.lines(...ECHO, "--body", '{"text":"let me in"}');
        assert.equal(line?.event, "error");
        const refused = await agent.event("peer.refused");
        assert.match(JSON.stringify(refused), /stranger/);
      } finally {
        await foreign[Symbol.asyncDispose]();
      }
    });

    // Go's client sends no certificate at all when the server does not name its authority.
    test("a client of another authority reads why it is refused", async () => {
      const leaf = await (await testPki("Elsewhere CA")).issue("stranger");
      const cert = await site.write("stranger.crt", leaf.certificatePem);
      const key = await site.write("stranger.key", leaf.keyPem);
      const { ca } = await site.issue("home");
      const stranger = new GoClient(version, agent.listen, { cert, key, ca });
      const { code, detail } = await stranger.error(...ECHO);
      assert.equal(code, 401);
      assert.match(detail, /no client certificate was sent; .*does not chain to "CN=/);
    });
  });
}

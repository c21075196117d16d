/** Unchanged go-micro clients call a service developer's own handlers, loaded into the agent. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { makeSite, type Site } from "../fakes/site.ts";
import { CODECS, GoClient, pairOf, VERSIONS } from "./go-peer.ts";
import { greeterHandlers } from "./greeter-handlers.ts";

for (const version of VERSIONS) {
  suite(`go-micro ${version} calls handlers of the agent`, () => {
    let site: Site;
    let agent: AgentProcess;
    let go: GoClient;
    before(async () => {
      site = await makeSite();
      const credentials = await pairOf(site);
      const config = await greeterHandlers(site);
      agent = await startAgent({ site, credentials: credentials.agent, config });
      go = new GoClient(version, agent.listen, credentials.peer);
    });
    after(async () => {
      await agent.stop();
      await site[Symbol.asyncDispose]();
    });

    for (const codec of CODECS) {
      const as = ["--codec", codec] as const;

      test(`${codec}: Hello`, async () => {
        const body = '{"firstName":"Zoë","seqNo":"-9007199254740993","blob":"AP8="}';
        assert.deepEqual(await go.reply(...as, "--body", body), {
          greetingText: "hello Zoë",
          seqNo: "-9007199254740993",
          blob: "AP8=",
        });
      });

      test(`${codec}: a typed error arrives with its four fields`, async () => {
        const flags = ["--endpoint", "Greeter.Fail", "--body", '{"firstName":"ann"}'] as const;
        assert.deepEqual(await go.error(...as, ...flags), {
          id: "greeter.fail",
          code: 404,
          detail: "no such ann",
          status: "Not Found",
        });
      });

      test(`${codec}: a handler's bug is a 500 with a correlation id and no word of the bug`, async () => {
        const error = await go.error(...as, "--endpoint", "Greeter.Panic");
        assert.equal(error.code, 500);
        assert.doesNotMatch(JSON.stringify(error), /secret kind/);
        const id = /[0-9a-f]{16}/.exec(JSON.stringify(error))?.[0];
        assert.ok(id !== undefined, JSON.stringify(error));
        const logged = await agent.event("rpc.handler.failed", (line) =>
          JSON.stringify(line).includes(id),
        );
        assert.match(JSON.stringify(logged), /boom of a secret kind/);
      });

      test(`${codec}: a chat that ends with an error, another that the handler ends`, async () => {
        const chat = ["--endpoint", "Greeter.Chat", "--mode", "chat", "--calls", "3"] as const;
        const failed = await go.lines(...as, ...chat, "--last", '{"firstName":"fail"}');
        assert.deepEqual(
          failed.map(({ event }) => event),
          ["message", "message", "message", "error", "closed"],
        );
        assert.deepEqual(JSON.parse(failed[3]?.error ?? ""), {
          id: "greeter.chat",
          code: 500,
          detail: "chat failed",
          status: "Internal Server Error",
        });
        const ended = await go.lines(...as, ...chat, "--last", '{"firstName":"bye"}');
        assert.deepEqual(
          ended.map(({ event }) => event),
          ["message", "message", "message", "end", "closed"],
        );
      });

      test(`${codec}: one request, 200 quick replies: none twice, none missing`, async () => {
        const flags = ["--endpoint", "Greeter.Count", "--mode", "count"] as const;
        const lines = await go.lines(...as, ...flags, "--body", '{"seqNo":"200"}');
        const messages = lines.filter(({ event }) => event === "message");
        assert.deepEqual(
          messages.map(({ reply }) => Number(reply?.seqNo)),
          Array.from({ length: 200 }, (_, n) => n + 1),
        );
        assert.equal(lines.at(-2)?.event, "end");
      });
    }

    test("metadata reaches the handler", async () => {
      const flags = ["--endpoint", "Greeter.Headers", "--md", "X-Site=roof 7"] as const;
      const { greetingText } = await go.reply(...flags);
      assert.match(String(greetingText), /^x-site=roof 7$/m);
    });

    test("a deadline ends the handler; the next call on a new connection is served", async () => {
      const slow = ["--endpoint", "Greeter.Slow", "--body", '{"seqNo":"20000"}'] as const;
      const begin = performance.now();
      const error = await go.error(...slow, "--timeout", "300ms");
      assert.equal(error.code, 408);
      assert.ok(performance.now() - begin < 5_000);
      assert.deepEqual(await go.reply("--body", '{"firstName":"next"}'), {
        greetingText: "hello next",
      });
    });

    test("the agent's own endpoints are not those of the handlers' service", async () => {
      const error = await go.error(
        "--codec",
        "json",
        "--endpoint",
        "Agent.Echo",
        "--body",
        '{"text":"x"}',
      );
      assert.equal(error.code, 404, "no such endpoint in greeter");
    });
  });
}

/** Unchanged go-micro clients that call too often: they read why, and how long to wait. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { makeSite, type Site } from "../fakes/site.ts";
import { CODECS, GoClient, pairOf, VERSIONS } from "./go-peer.ts";

const ECHO = ["--service", "microedge", "--endpoint", "Agent.Echo"] as const;
const ROW = 'per_peer_endpoint = [{ endpoint = "microedge/Agent.Echo"';
const REFUSES = `[limits]\n${ROW}, rate = 0.02, burst = 4 }]\n`;
const WAITS = `[limits]\n${ROW}, rate = 50, burst = 1, wait_ms = 2000 }]\n`;

for (const version of VERSIONS) {
  suite(`go-micro ${version} meets a limit`, () => {
    let site: Site;
    let refusing: AgentProcess;
    let waiting: AgentProcess;
    let refused: GoClient;
    let patient: GoClient;
    before(async () => {
      site = await makeSite();
      const { agent: credentials, peer } = await pairOf(site);
      refusing = await startAgent({ credentials, config: REFUSES });
      waiting = await startAgent({ credentials, config: WAITS });
      refused = new GoClient(version, refusing.listen, peer);
      patient = new GoClient(version, waiting.listen, peer);
    });
    after(async () => {
      await refusing.stop();
      await waiting.stop();
      await site[Symbol.asyncDispose]();
    });

    for (const codec of CODECS) {
      test(`${codec}: the call after the burst is answered 429 with the wait`, async () => {
        // whichever codec came first has spent the burst
        await refused.lines(...ECHO, "--codec", codec, "--calls", "5");
        const { code, status, detail } = await refused.error(...ECHO, "--codec", codec);
        assert.deepEqual([code, status], [429, "Too Many Requests"]);
        const { limit, retry_after_ms: waitMs } = JSON.parse(detail ?? "");
        assert.equal(limit, "per_peer_endpoint");
        assert.ok(waitMs > 0 && waitMs <= 50_000, `${waitMs} ms`);
      });

      test(`${codec}: calls that may wait are all answered, no faster than the limit`, async () => {
        const startedAt = performance.now();
        const [line] = await patient.lines(
          ...ECHO,
          ...["--codec", codec, "--calls", "20", "--concurrency", "4"],
        );
        assert.deepEqual([line?.lost, line?.failed, line?.wrong], [0, 0, 0], JSON.stringify(line));
        assert.ok(performance.now() - startedAt >= 19 * 20 - 5);
      });
    }

    test("the agents have counted it", async () => {
      const counts = await Promise.all(
        [refusing, waiting].map(async (agent) => {
          const { tables } = JSON.parse((await agent.run(["limits", "--json"])).stdout);
          return tables.find(({ name }: { name: string }) => name === "per_peer_endpoint");
        }),
      );
      assert.ok(counts[0]?.refused >= CODECS.length * 2, JSON.stringify(counts));
      assert.ok(counts[1]?.waited >= CODECS.length * 15, JSON.stringify(counts));
      assert.equal(counts[1]?.refused, 0);
    });
  });
}

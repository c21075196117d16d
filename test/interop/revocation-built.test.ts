/**
 * The built program with a certificate store and the list of an OpenSSL authority by URL, behind a proxy
 * that alone knows the server's name: fetched by rounds of the queue, kept over restarts, and what the
 * operator sees of a server that is dead.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { startProxy } from "../fakes/network-proxy.ts";
import { startOpensslCa } from "../fakes/openssl-ca.ts";
import { makeSite } from "../fakes/site.ts";
import { sends, startWebServer } from "../fakes/web-server.ts";

interface Round {
  readonly id: string;
  readonly state: string;
  readonly attempts: number;
  readonly lastError: string | null;
}

async function rounds(agent: AgentProcess): Promise<readonly Round[]> {
  const { code, stdout, stderr } = await agent.microedge("queue", "list", "--json");
  assert.equal(code, 0, stderr);
  const { entries } = JSON.parse(stdout) as { entries: (Round & { readonly kind: string })[] };
  return entries.filter(({ kind }) => kind === "revocation");
}

suite("a list by URL, with the built program", () => {
  test("is fetched through the proxy, once over many starts; a dead server waits in the queue", async () => {
    await using ca = await startOpensslCa(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    await using site = await makeSite();
    const own = await ca.issue("microedge");
    const credentials = {
      cert: await site.write("own.crt", own.certificatePem),
      key: await site.write("own.key", own.keyPem),
      ca: await site.write("root.crt", ca.caPem),
    };
    await ca.issue("stolen");
    await ca.revoke("stolen", "keyCompromise");
    await using web = await startWebServer(sends(Buffer.from(await ca.crl())));
    await using proxy = await startProxy(() => undefined, { "lists.example": "127.0.0.1" });
    const place = `http://lists.example:${new URL(web.url).port}/site.crl`;
    const config = `[client]\nproxy = "http://127.0.0.1:${proxy.port}"\n[revocation]\ncrl = ["${place}"]\n`;
    {
      await using agent = await startAgent({ site, credentials, inStore: true, config });
      const loaded = await agent.event("revocation.crl.loaded");
      assert.equal(loaded["revoked"], 1);
      await agent.event("queue.intent.done", ({ id }) => id === "revocation-1");
      assert.match(proxy.requests.join(), /^CONNECT lists\.example:\d+ /);
    }
    const restart = { site, credentials, config, identity: '[store]\ndir = "store"\n' };
    for (let starts = 0; starts < 3; starts++) {
      await using agent = await startAgent(restart);
      const kept = await agent.event("revocation.crl.loaded");
      assert.match(String(kept["source"]), /kept copy/);
      assert.deepEqual(
        (await rounds(agent)).map(({ id, state }) => `${id} ${state}`),
        ["revocation-1 done"],
      );
    }
    assert.deepEqual(web.asked, ["GET /site.crl"], "four starts, one question");

    const gone = `http://lists.example:9/gone.crl`;
    const dead = config.replace("crl = [", `crl = ["${gone}", `);
    await using agent = await startAgent({ ...restart, config: dead });
    await agent.event("queue.intent.failed", ({ id }) => id === "revocation-2");
    const last = (await rounds(agent)).at(-1);
    assert.ok(last !== undefined && last.attempts >= 1, JSON.stringify(last));
    assert.match(String(last.lastError), /ERR_REVOCATION_SOURCE: .*gone\.crl: proxy 127\.0\.0\.1/);
    assert.equal(web.asked.length, 1, "the one that is fresh is not asked on its account");
    const status = await agent.microedge("status", "--json");
    assert.equal(status.code, 0, status.stderr);
  });
});

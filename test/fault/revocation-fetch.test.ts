/** Fetching over HTTPS: the trust bundle vouches for the server, or nothing is sent. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, suite, test } from "node:test";
import { systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import { HttpFetch } from "#src/transport/http-fetch.ts";
import { testPki } from "../fakes/certificates.ts";

suite("fetching a list over HTTPS", async () => {
  const pki = await testPki();
  const stranger = await testPki();
  const leaf = await pki.issue("localhost");
  const asked: string[] = [];
  const server = createServer(
    { cert: leaf.certificatePem, key: leaf.keyPem },
    (request, response) => {
      asked.push(request.url ?? "");
      response.end("list");
    },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const fetch = (ca: string, url: string, signal = new AbortController().signal) =>
    new HttpFetch({
      network: systemNetwork,
      clock: systemClock,
      trustBundlePem: () => ca,
    }).fetch({ url, maxBytes: 100, timeoutMs: 3_000 }, signal);

  for (const host of ["127.0.0.1", "localhost"]) {
    test(`from ${host}, which the bundle vouches for`, async () => {
      const reply = await fetch(pki.caPem, `https://${host}:${port}/a?b=c`);
      assert.equal(reply.kind === "body" && Buffer.from(reply.bytes).toString(), "list");
      assert.equal(asked.at(-1), "/a?b=c");
    });
  }

  test("from a server of another authority: nothing is asked", async () => {
    const had = asked.length;
    await assert.rejects(fetch(stranger.caPem, `https://127.0.0.1:${port}/`), {
      code: "ERR_REVOCATION_SOURCE",
    });
    assert.equal(asked.length, had);
  });

  test("a port where nobody listens, and an abort", async () => {
    await assert.rejects(
      fetch(pki.caPem, "http://127.0.0.1:9/"),
      /127.0.0.1:9 refused the connection: nothing listens there/,
    );
    const stop = new AbortController();
    const fetched = fetch(pki.caPem, `https://127.0.0.1:${port}/`, stop.signal);
    const reason = new Error("enough");
    stop.abort(reason);
    await assert.rejects(fetched, reason);
  });
});
